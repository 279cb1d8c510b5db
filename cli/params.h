// A JSON object whose keys are known, as control methods take it and the state file holds it. What is wrong
// is an InvalidParams that names the place, what is there, and the cure:
//
//   'mtu' is a string, not an integer: write it as in "mtu": 1400
//   'ports[2].mac': 'zz' is not a MAC address: write it as in "02:00:00:00:00:01"
//
// Nothing is guessed: null is no absent value, "10" no number, 10.0 no integer, and a key that is unknown or
// missing is an error when the object is looked at first, before any value.
//
// A Params points into the JSON and the list of keys, which must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "config/values.h"

namespace weft {

struct Param {
    std::string_view name;
    bool required;
    std::string_view example;  // "mtu": 1400
};

class Params {
  public:
    // `path` is where the object stands ("ports[2]"); empty: it is the params of a method.
    Params(const nlohmann::json& object, std::span<const Param> keys, std::string path = {});

    [[nodiscard]] bool has(std::string_view key) const;

    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, std::int64_t low,
                                                      std::int64_t high) const;
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;  // absent: none
    [[nodiscard]] std::map<std::string, std::string> texts_by_name(
        std::string_view key) const;                                       // absent: none
    [[nodiscard]] const nlohmann::json* list(std::string_view key) const;  // of whatever; absent: nullptr

    // A text with a meaning (config/values.h), and a list of such, in which nothing stands twice.
    template <class Value>
    [[nodiscard]] std::optional<Value> value(
        std::string_view key, std::expected<Value, config::Fault> (*parse)(std::string_view)) const {
        const auto written = text(key);
        if (!written) return std::nullopt;
        return checked(place(key), parse(*written));
    }

    [[nodiscard]] std::vector<Prefix> interface_addresses(std::string_view key) const;

    // What may be the value of something, or its fault as an InvalidParams.
    template <class Value>
    [[nodiscard]] static Value checked(std::string_view place, std::expected<Value, config::Fault> value) {
        if (!value) refuse(place, value.error());
        return *std::move(value);
    }

    [[noreturn]] static void refuse(std::string_view place, const config::Fault& fault);

    // "ports[2].mac"
    [[nodiscard]] std::string place(std::string_view key) const;
    [[nodiscard]] std::string place(std::string_view key, std::size_t element) const;

  private:
    [[nodiscard]] const nlohmann::json* find(std::string_view key) const;
    [[noreturn]] void wrong_type(std::string_view key, const nlohmann::json& value,
                                 std::string_view expected) const;

    const nlohmann::json* object_;
    std::span<const Param> keys_;
    std::string path_;
};

}  // namespace weft
