// [lab].
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "config/fields.h"
#include "lab/file/draft.h"
#include "lab/file/lab_fields.h"
#include "lab/file/lab_schema.h"

namespace weft::lab {

namespace {

using config::Section;

// A lab's name is in paths and in the names of processes.
std::string name_of_file(const std::string& path) {
    std::string name = std::filesystem::path{path}.stem().string();
    for (char& c : name) {
        if (!config::parse_name(std::string_view{&c, 1})) c = '-';
    }
    name.resize(std::min<std::size_t>(name.size(), 32));
    return name.empty() || name.find_first_not_of('.') == std::string::npos ? "lab" : name;
}

void read_pool(const Section& section, Draft& draft) {
    draft.pool_at = section.at("addresses");
    const auto pools = config::read_networks(section, "addresses");
    for (std::size_t i = 0; i < pools.size(); ++i) {
        std::optional<Prefix>& pool = pools[i].address.is_v6() ? draft.pool_v6 : draft.pool;
        const unsigned longest = pools[i].address.is_v6() ? 64 : 24;
        if (pools[i].length > longest) {
            section.report().add(section.at("addresses", i),
                                 fmt::format("{} is too small to be divided", pools[i].to_string()),
                                 fmt::format("use a network of /{} or larger", longest));
        } else if (pool) {
            section.report().add(
                section.at("addresses", i),
                fmt::format("a second {} network", pools[i].address.is_v6() ? "IPv6" : "IPv4"),
                "give one of each");
        }
        pool = pools[i];
    }
}

}  // namespace

void read_lab(const Section& file, const std::string& path, Draft& draft) {
    Topology& topology = draft.topology;
    topology.file = path;
    topology.name = name_of_file(path);
    const auto section = file.table("lab", lab_schema);
    if (section) {
        section->check();
        if (section->has("name")) topology.name = config::read_name(*section);
        if (const auto seed = section->integer("seed")) {
            topology.seed = static_cast<std::uint64_t>(*seed);
            if (*seed < 0) section->problem("seed", "'seed' is negative", "use 0 or more");
        }
        topology.length = read_time(*section, "length");
        topology.init = read_commands(*section, "init");
        read_pool(*section, draft);
    }
    if (!draft.pool && !draft.pool_v6) draft.pool = Prefix{IpAddress::v4({10, 0, 0, 0}), 8};
}

}  // namespace weft::lab
