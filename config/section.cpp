#include "config/section.h"

#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/nearest.h"

namespace weft::config {

namespace {

Position position_of(const toml::source_region& region) noexcept {
    return {.line = region.begin.line, .column = region.begin.column};
}

std::string_view describe(Kind kind) noexcept {
    switch (kind) {
        case Kind::text:
            return "a string";
        case Kind::integer:
            return "an integer";
        case Kind::boolean:
            return "true or false";
        case Kind::integer_or_text:
            return "an integer or a string";
        case Kind::texts:
            return "a list of strings";
        case Kind::integers:
            return "a list of integers";
        case Kind::table:
            return "a table";
        case Kind::tables:
            return "a list of tables";
        case Kind::number:
            return "a number";
        case Kind::scalar:
            return "a string, a number or true or false";
        case Kind::scalars:
            return "a string or an integer, or a list of them";
    }
    return {};
}

std::string_view describe(const toml::node& value) noexcept {
    switch (value.type()) {
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a float";
        case toml::node_type::boolean:
            return "a boolean";
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "a list";
        default:
            return "a date or time";
    }
}

std::string_view describe_element(Kind list) noexcept {
    switch (list) {
        case Kind::texts:
            return "strings";
        case Kind::integers:
            return "integers";
        case Kind::scalars:
            return "strings and integers";
        default:
            return "tables";
    }
}

bool is_list(Kind kind) noexcept {
    return kind == Kind::texts || kind == Kind::integers || kind == Kind::tables || kind == Kind::scalars;
}

bool is_scalar(const toml::node& value) noexcept {
    return value.is_string() || value.is_number() || value.is_boolean();
}

bool fits(Kind kind, const toml::node& value) noexcept {
    switch (kind) {
        case Kind::text:
            return value.is_string();
        case Kind::integer:
            return value.is_integer();
        case Kind::boolean:
            return value.is_boolean();
        case Kind::integer_or_text:
            return value.is_integer() || value.is_string();
        case Kind::table:
            return value.is_table();
        case Kind::number:
            return value.is_number();
        case Kind::scalar:
            return is_scalar(value);
        case Kind::scalars:
            return value.is_array() || value.is_string() || value.is_integer();
        default:
            return value.is_array();
    }
}

bool fits_as_element(Kind list, const toml::node& value) noexcept {
    switch (list) {
        case Kind::texts:
            return value.is_string();
        case Kind::integers:
            return value.is_integer();
        case Kind::scalars:
            return value.is_string() || value.is_integer();
        default:
            return value.is_table();
    }
}

std::optional<std::string> scalar_text(const toml::node& value) {
    if (const auto text = value.value_exact<std::string>()) return text;
    if (const auto integer = value.value_exact<std::int64_t>()) return fmt::format("{}", *integer);
    if (const auto boolean = value.value_exact<bool>()) return *boolean ? "true" : "false";
    if (const auto number = value.value_exact<double>()) return fmt::format("{}", *number);
    return std::nullopt;
}

template <class T>
std::vector<T> list(const toml::node* value) {
    std::vector<T> out;
    const toml::array* array = value == nullptr ? nullptr : value->as_array();
    if (array == nullptr) return out;
    for (const toml::node& element : *array) {
        const auto item = element.value_exact<T>();
        if (!item) return {};
        out.push_back(*item);
    }
    return out;
}

}  // namespace

Section::Section(const toml::table& table, const Schema& schema, Report& report, Tables below)
    : tables_{&table}, schema_(&schema), report_(&report) {
    tables_.insert(tables_.end(), below.begin(), below.end());
}

void Section::check() const {
    std::vector<std::string_view> names;
    for (const Key& key : schema_->keys) names.push_back(key.name);

    for (const toml::table* table : tables_) {
        for (auto&& [key, value] : *table) {
            if (const Key* known = schema_->find(key.str())) {
                check_value(*known, value);
                continue;
            }
            const std::string otherwise = fmt::format("remove it; the keys are {}", fmt::join(names, ", "));
            report_->add(position_of(key.source()),
                         fmt::format("unknown key {} in {}", quoted(key.str()), title()),
                         did_you_mean(key.str(), names, otherwise));
        }
    }
    for (const Key& key : schema_->keys) {
        if (key.required && !has(key.name)) {
            report_->add(at(), fmt::format("{} has no '{}'", title(), key.name),
                         fmt::format("add {}", key.example));
        }
    }
}

void Section::check_value(const Key& key, const toml::node& value) const {
    const std::string cure = fmt::format("write {}", key.example);
    if (!fits(key.kind, value)) {
        report_->add(position_of(value.source()),
                     fmt::format("'{}' must be {}, not {}", key.name, describe(key.kind), describe(value)),
                     cure);
        return;
    }
    if (!is_list(key.kind) || !value.is_array()) return;
    for (const toml::node& element : *value.as_array()) {
        if (!fits_as_element(key.kind, element)) {
            report_->add(position_of(element.source()),
                         fmt::format("'{}' must be a list of {}, not of {}", key.name,
                                     describe_element(key.kind), describe(element)),
                         cure);
        }
    }
}

const toml::node* Section::get(std::string_view key) const noexcept {
    for (const toml::table* table : tables_) {
        if (const toml::node* value = table->get(key)) return value;
    }
    return nullptr;
}

bool Section::has(std::string_view key) const noexcept {
    return get(key) != nullptr;
}

bool Section::is_empty_list(std::string_view key) const noexcept {
    const toml::node* value = get(key);
    const toml::array* array = value == nullptr ? nullptr : value->as_array();
    return array != nullptr && array->empty();
}

std::optional<std::string> Section::text(std::string_view key) const {
    const toml::node* value = get(key);
    return value == nullptr ? std::nullopt : value->value_exact<std::string>();
}

std::optional<std::int64_t> Section::integer(std::string_view key) const {
    const toml::node* value = get(key);
    return value == nullptr ? std::nullopt : value->value_exact<std::int64_t>();
}

std::optional<bool> Section::boolean(std::string_view key) const {
    const toml::node* value = get(key);
    return value == nullptr ? std::nullopt : value->value_exact<bool>();
}

std::vector<std::string> Section::texts(std::string_view key) const {
    return list<std::string>(get(key));
}

std::vector<std::int64_t> Section::integers(std::string_view key) const {
    return list<std::int64_t>(get(key));
}

std::optional<std::string> Section::scalar(std::string_view key) const {
    const toml::node* value = get(key);
    return value == nullptr ? std::nullopt : scalar_text(*value);
}

std::vector<std::string> Section::scalars(std::string_view key) const {
    const toml::node* value = get(key);
    const toml::array* array = value == nullptr ? nullptr : value->as_array();
    if (array == nullptr) {
        const auto only = scalar(key);
        return only ? std::vector{*only} : std::vector<std::string>{};
    }
    std::vector<std::string> out;
    for (const toml::node& element : *array) {
        const auto item = scalar_text(element);
        if (!item) return {};
        out.push_back(*item);
    }
    return out;
}

std::optional<double> Section::number(std::string_view key) const {
    const toml::node* value = get(key);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->value<double>();
}

std::vector<std::string> Section::keys() const {
    std::set<std::string> found;
    for (const toml::table* table : tables_) {
        for (auto&& [key, value] : *table) found.emplace(key.str());
    }
    return {found.begin(), found.end()};
}

Section::Tables Section::tables_at(std::string_view key) const {
    Tables found;
    for (const toml::table* table : tables_) {
        if (const toml::table* inner = table->get_as<toml::table>(key)) found.push_back(inner);
    }
    return found;
}

std::optional<Section> Section::table(std::string_view key, const Schema& schema) const {
    Tables found = tables_at(key);
    if (found.empty()) return std::nullopt;
    const toml::table& first = *found.front();
    found.erase(found.begin());
    return Section{first, schema, *report_, std::move(found)};
}

std::vector<Section> Section::tables(std::string_view key, const Schema& schema) const {
    std::vector<Section> out;
    const toml::node* value = get(key);
    const toml::array* array = value == nullptr ? nullptr : value->as_array();
    if (array == nullptr) return out;
    for (const toml::node& element : *array) {
        if (const toml::table* inner = element.as_table()) out.emplace_back(*inner, schema, *report_);
    }
    return out;
}

Position Section::at() const noexcept {
    return position_of(tables_.front()->source());
}

Position Section::at(std::string_view key) const noexcept {
    const toml::node* value = get(key);
    return value == nullptr ? at() : position_of(value->source());
}

Position Section::at(std::string_view key, std::size_t element) const noexcept {
    const toml::node* list = get(key);
    const toml::array* array = list == nullptr ? nullptr : list->as_array();
    const toml::node* value = array == nullptr ? nullptr : array->get(element);
    return value == nullptr ? at(key) : position_of(value->source());
}

Position Section::at_key(std::string_view key) const noexcept {
    for (const toml::table* table : tables_) {
        const auto found = table->find(key);
        if (found != table->end()) return position_of(found->first.source());
    }
    return at();
}

void Section::problem(std::string_view key, std::string_view what, std::string_view cure) const {
    report_->add(at(key), what, cure);
}

}  // namespace weft::config
