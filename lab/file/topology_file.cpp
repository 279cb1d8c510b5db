#include "lab/file/topology_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "config/report.h"
#include "config/section.h"
#include "config/values.h"
#include "lab/file/addressing.h"
#include "lab/file/draft.h"
#include "lab/file/lab_schema.h"
#include "lab/file/resolve.h"
#include "lab/file/routing.h"
#include "lab/file/segments.h"
#include "lab/file/unfold.h"

namespace weft::lab {

namespace {

using config::Problems;
using config::Report;

constexpr std::size_t largest_file = std::size_t{16} << 20U;

std::expected<Topology, Problems> fail(Report& report, std::string_view what, std::string_view cure) {
    report.add({}, what, cure);
    return std::unexpected{report.problems()};
}

void override_lab(const Overrides& overrides, Topology& topology, Report& report) {
    if (overrides.seed) topology.seed = *overrides.seed;
    if (!overrides.name) return;
    if (const auto name = config::parse_name(*overrides.name); !name)
        report.add({}, name.error().what, name.error().cure);
    topology.name = *overrides.name;
}

std::expected<Topology, Problems> read_file(toml::table& table, const std::string& path,
                                            const Overrides& overrides, Report& report) {
    const config::Section file{table, lab_file_schema, report};
    file.check();
    Unfolder unfolder{table, overrides.variables, report};
    Draft draft;
    read_lab(file, path, draft);
    override_lab(overrides, draft.topology, report);
    read_nodes(unfolder, draft);
    read_links(unfolder, draft);
    Topology topology = draft.topology;
    const Names names = resolve(draft, topology, report);
    read_events(unfolder, names, topology);
    read_steps(unfolder, names, topology);
    read_traffic(unfolder, names, topology);
    // From here on a link of the draft must be one of the topology.
    if (!report.empty()) return std::unexpected{report.problems()};

    const auto segments = find_segments(topology);
    assign_addresses(draft, segments, topology, report);
    if (report.empty()) add_routes(draft, segments, topology, report);
    if (!report.empty()) return std::unexpected{report.problems()};
    return topology;
}

}  // namespace

std::expected<Topology, Problems> parse(std::string_view text, const std::string& path,
                                        const Overrides& overrides) {
    Report report{path};
    if (text.size() > largest_file) return fail(report, "the file is larger than 16 MiB", "use ranges");
    try {
        toml::table table = toml::parse(text);
        return read_file(table, path, overrides, report);
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        report.add({.line = at.line, .column = at.column}, error.description(), "correct the TOML here");
        return std::unexpected{report.problems()};
    }
}

std::expected<Topology, Problems> load(const std::string& path, const Overrides& overrides) {
    std::ifstream file{path, std::ios::binary};
    std::string text(largest_file + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.eof() && file.fail()) {
        Report report{path};
        return fail(report, fmt::format("cannot read the file: {}", std::strerror(errno)),
                    "give the path of a lab's file");
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    return parse(text, path, overrides);
}

}  // namespace weft::lab
