// `impair`, `there` and `back` of a [[link]], and what events set of them.
#include <string>
#include <utility>

#include "config/read_impairment.h"
#include "config/schema.h"
#include "lab/file/draft.h"
#include "lab/file/read_actions.h"

namespace weft::lab {

namespace {

using config::Section;

// What one direction says of its own comes first, what both have stands below it.
Impairment read_direction(const Section& link, std::string_view direction) {
    Section::Tables tables = link.tables_at(direction);
    for (const toml::table* both : link.tables_at("impair")) tables.push_back(both);
    if (tables.empty()) return {};
    const toml::table& first = *tables.front();
    tables.erase(tables.begin());
    return config::read_impairment(
        Section{first, config::impairment_schema, link.report(), std::move(tables)});
}

}  // namespace

std::array<Impairment, 2> read_link_impairment(const Section& link) {
    return {read_direction(link, "there"), read_direction(link, "back")};
}

bool check_setting(const Section& settings, const std::string& key, const std::string& value) {
    Impairment impairment;
    const auto open = [&](const std::string& path) {
        return settings.report().open_key(settings.report().resolve(path));
    };
    const auto set = config::set_impairment(impairment, key, value, open);
    if (!set) settings.report().add(settings.at(key), set.error().what, set.error().cure);
    return set.has_value();
}

}  // namespace weft::lab
