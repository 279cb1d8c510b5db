#include "cli/params.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/rpc.h"
#include "config/nearest.h"
#include "config/report.h"

namespace weft {

using nlohmann::json;

namespace {

std::string_view describe(const json& value) noexcept {
    switch (value.type()) {
        case json::value_t::null:
            return "null";
        case json::value_t::object:
            return "an object";
        case json::value_t::array:
            return "a list";
        case json::value_t::string:
            return "a string";
        case json::value_t::boolean:
            return "a boolean";
        case json::value_t::number_integer:
        case json::value_t::number_unsigned:
            return "an integer";
        default:
            return "a fraction";
    }
}

// What was written elsewhere neither breaks the line nor ends the message.
[[noreturn]] void wrong(std::string_view message) {
    throw InvalidParams(config::printable(message));
}

}  // namespace

Params::Params(const json& object, std::span<const Param> keys, std::string path)
    : object_(&object), keys_(keys), path_(std::move(path)) {
    const std::string where = path_.empty() ? "params" : fmt::format("'{}'", path_);
    if (!object.is_object()) {
        wrong(fmt::format("{}: {}, not an object: write {{{}}}", where, describe(object),
                          keys.empty() ? std::string_view{} : keys.front().example));
    }
    std::vector<std::string_view> names;
    for (const Param& key : keys) names.push_back(key.name);
    for (const auto& [name, value] : object.items()) {
        if (std::ranges::find(names, name) != names.end()) continue;
        const std::string otherwise = fmt::format("remove it; there are {}", fmt::join(names, ", "));
        wrong(fmt::format("{}: unknown key {}: {}", where, config::quoted(name),
                          config::did_you_mean(name, names, otherwise)));
    }
    for (const Param& key : keys) {
        if (key.required && !object.contains(key.name))
            wrong(fmt::format("{}: there is no '{}': add {}", where, key.name, key.example));
    }
}

bool Params::has(std::string_view key) const {
    return object_->contains(key);
}

const json* Params::find(std::string_view key) const {
    const auto found = object_->find(key);
    return found == object_->end() ? nullptr : &*found;
}

std::string Params::place(std::string_view key) const {
    return path_.empty() ? std::string{key} : fmt::format("{}.{}", path_, key);
}

std::string Params::place(std::string_view key, std::size_t element) const {
    return fmt::format("{}[{}]", place(key), element);
}

void Params::refuse(std::string_view place, const config::Fault& fault) {
    wrong(fmt::format("'{}': {}: {}", place, fault.what, fault.cure));
}

void Params::wrong_type(std::string_view key, const json& value, std::string_view expected) const {
    const auto known = std::ranges::find(keys_, key, &Param::name);
    wrong(fmt::format("'{}' is {}, not {}: write it as in {}", place(key), describe(value), expected,
                      known == keys_.end() ? key : known->example));
}

std::optional<std::string> Params::text(std::string_view key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) wrong_type(key, *value, "a string");
    return value->get<std::string>();
}

std::optional<std::int64_t> Params::integer(std::string_view key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number_integer()) wrong_type(key, *value, "an integer");
    // Too large is as large as can be: it is told as a wrong number, not as a negative one.
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    if (value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t{most}) return most;
    return value->get<std::int64_t>();
}

std::optional<std::int64_t> Params::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
    const auto number = integer(key);
    if (number && (*number < low || *number > high)) {
        wrong(fmt::format("'{}' is {}: use {} to {}", place(key), find(key)->dump(), low, high));
    }
    return number;
}

std::optional<bool> Params::boolean(std::string_view key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_boolean()) wrong_type(key, *value, "true or false");
    return value->get<bool>();
}

const json* Params::list(std::string_view key) const {
    const json* value = find(key);
    if (value != nullptr && !value->is_array()) wrong_type(key, *value, "a list");
    return value;
}

std::vector<std::string> Params::texts(std::string_view key) const {
    std::vector<std::string> texts;
    const json* value = list(key);
    if (value == nullptr) return texts;
    for (const json& element : *value) {
        if (!element.is_string()) wrong_type(key, *value, "a list of strings");
        texts.push_back(element.get<std::string>());
    }
    return texts;
}

std::map<std::string, std::string> Params::texts_by_name(std::string_view key) const {
    std::map<std::string, std::string> texts;
    const json* value = find(key);
    if (value == nullptr) return texts;
    if (!value->is_object()) wrong_type(key, *value, "an object of strings");
    for (const auto& [name, element] : value->items()) {
        if (!element.is_string()) wrong_type(key, *value, "an object of strings");
        texts.emplace(name, element.get<std::string>());
    }
    return texts;
}

std::vector<Prefix> Params::interface_addresses(std::string_view key) const {
    std::vector<Prefix> addresses;
    for (const std::string& written : texts(key)) {
        const auto address = checked(place(key, addresses.size()), config::parse_interface_address(written));
        if (std::ranges::find(addresses, address) != addresses.end()) {
            refuse(place(key, addresses.size()),
                   {fmt::format("{} stands twice", config::quoted(written)), "remove one"});
        }
        addresses.push_back(address);
    }
    return addresses;
}

}  // namespace weft
