#include "config/load.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "config/outside.h"
#include "config/read.h"
#include "config/report.h"
#include "config/section.h"
#include "config/validate.h"

namespace weft::config {

namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20U;

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

template <class Object>
std::vector<Object> read_all(const std::vector<Section>& sections, Object (*read)(const Section&)) {
    std::vector<Object> objects;
    objects.reserve(sections.size());
    for (const Section& section : sections) objects.push_back(read(section));
    return objects;
}

Origins find_sections(const Section& file) {
    return {.file = file,
            .node = file.table("node", node_schema),
            .underlay = file.table("underlay", underlay_schema),
            .offload = file.table("offload", offload_schema),
            .fast_path = file.table("fastpath", fast_path_schema),
            .bridges = file.tables("bridge", bridge_schema),
            .ports = file.tables("port", port_schema),
            .routes = file.tables("route", route_schema),
            .peers = file.tables("peer", peer_schema)};
}

std::expected<Config, Problems> read_file(const toml::table& table, Report& report) {
    const Section file{table, file_schema, report};
    file.check();
    const Origins origins = find_sections(file);
    Config config;
    if (origins.node) config.node = read_node(*origins.node);
    config.underlay = origins.underlay ? read_underlay(*origins.underlay) : default_underlay();
    config.tuning = read_tuning(origins.node, origins.offload);
    if (origins.fast_path) config.fast_path = read_fast_path(*origins.fast_path);
    config.bridges = read_all(origins.bridges, read_bridge);
    config.ports = read_all(origins.ports, read_port);
    config.routes = read_all(origins.routes, read_route);
    config.peers = read_all(origins.peers, read_peer);
    validate(config, origins, report);
    if (!report.empty()) return std::unexpected{report.problems()};
    add_outside(config);
    return config;
}

std::expected<Config, Problems> fail(Report& report, std::string_view what, std::string_view cure) {
    report.add({}, what, cure);
    return std::unexpected{report.problems()};
}

}  // namespace

void validate(const Config& config, const Origins& origins, Report& report) {
    validate_names(config, origins, report);
    validate_references(config, origins, report);
    validate_keys(config, origins, report);
    validate_prefixes(config, origins, report);
    validate_endpoints(config, origins, report);
    validate_outside(config, origins, report);
}

std::expected<Config, Problems> parse(std::string_view text, const std::string& path,
                                      const OpenKey& open_key) {
    Report report{path, open_key};
    if (text.size() > largest_file) return fail(report, "the file is larger than 16 MiB", "split the node");
    try {
        const toml::table table = toml::parse(text);
        return read_file(table, report);
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        report.add({.line = at.line, .column = at.column}, error.description(), "correct the TOML here");
        return std::unexpected{report.problems()};
    }
}

std::expected<Config, Problems> load(const std::string& path) {
    Report report{path};
    const auto cannot_read = [&] {
        return fail(report, fmt::format("cannot read the file: {}", std::strerror(errno)),
                    "give the path of a configuration file that weft may read");
    };
    const std::unique_ptr<std::FILE, CloseFile> file{std::fopen(path.c_str(), "re")};
    if (!file) return cannot_read();

    std::string text;
    std::array<char, 4096> chunk{};
    while (text.size() <= largest_file) {
        const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), file.get());
        text.append(chunk.data(), got);
        if (std::ferror(file.get()) != 0) return cannot_read();
        if (std::feof(file.get()) != 0) break;
    }
    return parse(text, path);
}

}  // namespace weft::config
