// A table of the file, seen through its schema. check() reports what can be said without knowing what a value
// means: unknown keys, wrong types, missing keys. After that the getters give values of the right type or
// nothing, and at() says where a value stands, for whoever finds fault with its meaning.
//
// A list with an element of the wrong type reads as empty, so element i of what was read is element i of the
// file. A Section points into the parsed file and the report, which must outlive it.
//
// A section may have tables below it: a key that its own table does not have is that of the first of them
// that has it, and so it is with the keys of the tables in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "config/report.h"
#include "config/schema.h"

namespace weft::config {

class Section {
  public:
    using Tables = std::vector<const toml::table*>;

    Section(const toml::table& table, const Schema& schema, Report& report, Tables below = {});

    void check() const;

    [[nodiscard]] bool has(std::string_view key) const noexcept;  // whatever its type
    [[nodiscard]] bool is_empty_list(std::string_view key) const noexcept;

    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view key) const;

    // Of a scalar: the text, or the number or boolean as it would be written. `scalars` takes one for a list
    // of one.
    [[nodiscard]] std::optional<std::string> scalar(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> scalars(std::string_view key) const;
    [[nodiscard]] std::optional<double> number(std::string_view key) const;

    [[nodiscard]] std::optional<Section> table(std::string_view key, const Schema& schema) const;
    [[nodiscard]] std::vector<Section> tables(std::string_view key, const Schema& schema) const;

    // The keys that are there, known or not, in the order of the alphabet.
    [[nodiscard]] std::vector<std::string> keys() const;

    // The tables under `key`, of the section and of those below it.
    [[nodiscard]] Tables tables_at(std::string_view key) const;

    [[nodiscard]] Position at() const noexcept;                      // of the table
    [[nodiscard]] Position at(std::string_view key) const noexcept;  // of the value
    [[nodiscard]] Position at(std::string_view key, std::size_t element) const noexcept;
    [[nodiscard]] Position at_key(std::string_view key) const noexcept;

    [[nodiscard]] Report& report() const noexcept { return *report_; }

    [[nodiscard]] std::string_view title() const noexcept { return schema_->title; }

    // Reported at the value, or at the table if there is none.
    void problem(std::string_view key, std::string_view what, std::string_view cure) const;

  private:
    void check_value(const Key& key, const toml::node& value) const;
    [[nodiscard]] const toml::node* get(std::string_view key) const noexcept;

    Tables tables_;  // the section's own, and those below it
    const Schema* schema_;
    Report* report_;
};

}  // namespace weft::config
