// What keeps a lab's file short: variables, templates and ranges. Texts are filled in where they stand in the
// parsed file, so that whatever is wrong with them is reported at its place.
//
//   variables   ${name} in any text, from [variables] or what was given instead; $${ stands for ${
//   templates   a section's keys, then those of its templates in their order, then those of their templates
//   ranges      a section with `count` is read once for each number, with its texts filled in (range_text.h)
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "config/report.h"
#include "config/schema.h"
#include "config/section.h"
#include "lab/file/range_text.h"

namespace weft::lab {

class Unfolder {
  public:
    using Values = std::map<std::string, std::string>;

    // Of both, `file` and `report`, references are kept. `given` takes the place of values in [variables].
    Unfolder(toml::table& file, const Values& given, config::Report& report);

    // Reads each section of the list `key`, a range's as often as it counts. The section is good for the call
    // only. A range ends with its first number that something is wrong with: the others would have the same.
    using Read = std::function<void(const config::Section& section)>;
    void each(std::string_view key, const config::Schema& schema, const Read& read);

  private:
    struct Template {
        toml::table* table = nullptr;
        std::vector<std::string> parents;
        std::vector<config::Position> parents_at;
    };

    struct Range;

    void fill_in_variables(const Values& given);
    void take_templates();
    config::Section::Tables templates_of(const config::Section& section);
    void add_templates(const std::vector<std::string>& names, const std::vector<config::Position>& at,
                       std::vector<std::string>& seen, config::Section::Tables& out);
    void read_range(toml::table& table, const config::Section& section, const config::Section::Tables& below,
                    const Read& read);

    toml::table* file_;
    config::Report* report_;
    std::map<std::string, Template> templates_;
    std::size_t sections_ = 0;
};

}  // namespace weft::lab
