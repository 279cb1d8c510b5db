#include "lab/file/unfold.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/nearest.h"
#include "config/unique.h"
#include "lab/file/lab_schema.h"

namespace weft::lab {

namespace {

using config::Position;
using config::quoted;
using config::Report;
using config::Section;
using Text = toml::value<std::string>;

constexpr std::size_t most_sections = 50'000;
constexpr config::Schema variables_schema{"[variables]", {}};

Position position_of(const toml::node& node) noexcept {
    return {.line = node.source().begin.line, .column = node.source().begin.column};
}

void collect_texts(toml::node& node, std::vector<Text*>& out) {
    if (Text* text = node.as_string()) {
        out.push_back(text);
    } else if (toml::table* table = node.as_table()) {
        for (auto&& [key, value] : *table) collect_texts(value, out);
    } else if (toml::array* array = node.as_array()) {
        for (toml::node& value : *array) collect_texts(value, out);
    }
}

// With each ${name} in it replaced; reports a name that is none.
std::string with_variables(const Text& text, const Unfolder::Values& values, Report& report) {
    constexpr std::size_t largest = 65536;
    const std::string_view from = text.get();
    std::string out;
    std::size_t done = 0;
    while (true) {
        const std::size_t at = from.find("${", done);
        if (at == std::string_view::npos || out.size() > largest) break;
        if (at > done && from[at - 1] == '$') {
            out.append(from.substr(done, at - 1 - done)).append("${");
            done = at + 2;
            continue;
        }
        const std::size_t end = from.find('}', at);
        const std::string_view name = from.substr(at + 2, end == std::string_view::npos ? end : end - at - 2);
        const auto found = values.find(std::string{name});
        if (end == std::string_view::npos || found == values.end()) {
            std::vector<std::string_view> names;
            for (const auto& [known, value] : values) names.push_back(known);
            report.add(position_of(text), fmt::format("no variable {}", quoted(name)),
                       config::did_you_mean(name, names,
                                            "add it to [variables], or write $${ for a shell's own ${"));
            return std::string{from};
        }
        out.append(from.substr(done, at - done)).append(found->second);
        done = end + 1;
    }
    return out.append(from.substr(done));
}

// The texts of a section and its templates, which a range fills in anew for each of its numbers.
class RangeTexts {
  public:
    RangeTexts(toml::table& table, const Section::Tables& below) {
        add(table);
        // The templates are of the file that the Unfolder has been given to change.
        for (const toml::table* template_table : below) add(const_cast<toml::table&>(*template_table));
    }

    ~RangeTexts() {
        for (const auto& [text, original] : texts_) text->get() = original;
    }

    RangeTexts(const RangeTexts&) = delete;
    RangeTexts& operator=(const RangeTexts&) = delete;

    void fill_in(const RangeNumbers& numbers, Report& report) {
        for (const auto& [text, original] : texts_) {
            const auto filled = lab::fill_in(original, numbers);
            if (filled) {
                text->get() = *filled;
            } else {
                report.add(position_of(*text), filled.error().what, filled.error().cure);
            }
        }
    }

    // A range's name without a number gets one at its end.
    void number_name(const toml::table& table, bool two_counts) {
        const Text* name = table.get_as<std::string>("name");
        const auto found = std::ranges::find(texts_, name, &std::pair<Text*, std::string>::first);
        if (found == texts_.end() || has_range_expression(found->second)) return;
        found->second += two_counts ? "{i}-{j}" : "{i}";
    }

  private:
    void add(toml::table& table) {
        std::vector<Text*> texts;
        collect_texts(table, texts);
        for (Text* text : texts) {
            if (has_range_expression(text->get()) || text == table.get_as<std::string>("name"))
                texts_.emplace_back(text, text->get());
        }
    }

    std::vector<std::pair<Text*, std::string>> texts_;  // and what they were
};

// One or two whole numbers of `low` to `high`.
std::vector<std::int64_t> read_numbers(const Section& section, std::string_view key, std::int64_t low,
                                       std::int64_t high) {
    const auto texts = section.scalars(key);
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        std::int64_t number = 0;
        const char* const end = texts[i].data() + texts[i].size();
        const auto [stop, error] = std::from_chars(texts[i].data(), end, number);
        if (error != std::errc{} || stop != end || number < low || number > high) {
            section.report().add(section.at(key, i), fmt::format("'{}' is {}", key, quoted(texts[i])),
                                 fmt::format("use {} to {}", low, high));
            return {};
        }
        numbers.push_back(number);
    }
    if (section.has(key) && (numbers.empty() || numbers.size() > 2)) {
        section.problem(key, fmt::format("'{}' has {} numbers", key, numbers.size()),
                        fmt::format("write {} = 10, or {} = [20, 10]", key, key));
        return {};
    }
    return numbers;
}

}  // namespace

struct Unfolder::Range {
    std::vector<std::int64_t> counts;
    std::vector<std::int64_t> first;

    static std::optional<Range> read(const Section& section) {
        constexpr std::int64_t most = 10'000;
        Range range{.counts = read_numbers(section, "count", 0, most),
                    .first = read_numbers(section, "first", -most, most)};
        if (range.counts.empty()) {
            if (section.has("first") && !section.has("count")) {
                section.report().add(section.at_key("first"), "'first' without 'count'",
                                     "add count = 10, or remove it");
            }
            return std::nullopt;
        }
        range.first.resize(range.counts.size(), range.first.empty() ? 1 : range.first.front());
        return range;
    }

    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t all = 1;
        for (const std::int64_t count : counts) all *= static_cast<std::size_t>(count);
        return all;
    }

    [[nodiscard]] RangeNumbers numbers(std::size_t index) const noexcept {
        const auto place = static_cast<std::int64_t>(index);
        if (counts.size() == 1) return {.i = first[0] + place, .j = std::nullopt};
        return {.i = first[0] + place / counts[1], .j = first[1] + place % counts[1]};
    }
};

Unfolder::Unfolder(toml::table& file, const Values& given, Report& report) : file_(&file), report_(&report) {
    fill_in_variables(given);
    take_templates();
}

void Unfolder::fill_in_variables(const Values& given) {
    Values values;
    std::vector<std::string_view> names;
    if (const toml::table* table = file_->get_as<toml::table>("variables")) {
        const Section variables{*table, variables_schema, *report_};
        for (const std::string& name : variables.keys()) {
            const auto value = variables.scalar(name);
            if (!value) {
                variables.problem(name, fmt::format("variable {} is no scalar", quoted(name)),
                                  "write a string, a number or true or false");
            }
            values.emplace(name, value.value_or(""));
        }
    }
    for (const auto& [name, value] : values) names.push_back(name);
    for (const auto& [name, value] : given) {
        if (const auto known = values.find(name); known != values.end()) {
            known->second = value;
        } else {
            report_->add({}, fmt::format("no variable {} to be given a value", quoted(name)),
                         config::did_you_mean(name, names, "add it to [variables]"));
        }
    }
    std::vector<Text*> texts;
    for (auto&& [key, value] : *file_) {
        if (key != "variables") collect_texts(value, texts);
    }
    for (Text* text : texts) {
        if (text->get().find("${") != std::string::npos)
            text->get() = with_variables(*text, values, *report_);
    }
}

void Unfolder::take_templates() {
    toml::array* list = file_->get_as<toml::array>("template");
    if (list == nullptr) return;
    config::Unique<std::string> names;
    for (toml::node& element : *list) {
        toml::table* table = element.as_table();
        if (table == nullptr) continue;  // said by the check of the file
        const Section section{*table, template_schema, *report_};
        if (!section.has("name")) {
            report_->add(section.at(), "[[template]] has no 'name'", R"(add name = "lossy")");
            continue;
        }
        const std::string name = config::read_name(section);
        if (const auto first = names.seen(name, section.at("name"))) {
            section.problem("name", fmt::format("a second template {}", quoted(name)),
                            fmt::format("rename it or the one in line {}", first->line));
            continue;
        }
        Template made{.table = table, .parents = section.scalars("template"), .parents_at = {}};
        for (std::size_t i = 0; i < made.parents.size(); ++i)
            made.parents_at.push_back(section.at("template", i));
        table->erase("name");
        table->erase("template");
        templates_.emplace(name, std::move(made));
    }
}

void Unfolder::add_templates(const std::vector<std::string>& names, const std::vector<Position>& at,
                             std::vector<std::string>& seen, Section::Tables& out) {
    std::vector<const Template*> taken;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto found = templates_.find(names[i]);
        if (found == templates_.end()) {
            std::vector<std::string_view> known;
            known.reserve(templates_.size());
            for (const auto& [name, made] : templates_) known.push_back(name);
            report_->add(at[i], fmt::format("no template {}", quoted(names[i])),
                         config::did_you_mean(names[i], known, "add a [[template]] with this name"));
            continue;
        }
        if (std::ranges::find(seen, names[i]) != seen.end()) continue;  // a loop ends here
        seen.push_back(names[i]);
        out.push_back(found->second.table);
        taken.push_back(&found->second);
    }
    for (const Template* one : taken) add_templates(one->parents, one->parents_at, seen, out);
}

Section::Tables Unfolder::templates_of(const Section& section) {
    const auto names = section.scalars("template");
    std::vector<Position> at;
    at.reserve(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) at.push_back(section.at("template", i));
    std::vector<std::string> seen;
    Section::Tables out;
    add_templates(names, at, seen, out);
    return out;
}

void Unfolder::each(std::string_view key, const config::Schema& schema, const Read& read) {
    toml::array* list = file_->get_as<toml::array>(key);
    if (list == nullptr) return;
    for (toml::node& element : *list) {
        toml::table* table = element.as_table();
        if (table == nullptr) continue;
        const Section::Tables below = templates_of(Section{*table, schema, *report_});
        const Section section{*table, schema, *report_, below};
        if (schema.find("count") != nullptr && (section.has("count") || section.has("first"))) {
            read_range(*table, section, below, read);
        } else {
            read(section);
        }
    }
}

void Unfolder::read_range(toml::table& table, const Section& section, const Section::Tables& below,
                          const Read& read) {
    const auto range = Range::read(section);
    if (!range) return;
    sections_ += range->size();
    if (sections_ > most_sections) {
        section.problem("count", fmt::format("the file's ranges make more than {} sections", most_sections),
                        "write a smaller count");
        return;
    }
    RangeTexts texts{table, below};
    texts.number_name(table, range->counts.size() == 2);
    const std::size_t problems = report_->size();
    for (std::size_t index = 0; index < range->size() && report_->size() == problems; ++index) {
        texts.fill_in(range->numbers(index), *report_);
        if (report_->size() == problems) read(section);
    }
}

}  // namespace weft::lab
