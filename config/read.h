// One function a section (Tuning is of two): from a table of the file to a plain struct. What a section says
// about itself is checked here; what it says about others (references, overlaps) is validate()'s business.
// Each reports every problem that it finds and gives a struct that is only good if there was none.
#pragma once

#include <optional>
#include <vector>

#include "config/config.h"
#include "config/section.h"

namespace weft::config {

// Where the parts of a Config stand in the file: bridges[i] is the table of Config::bridges[i].
struct Origins {
    Section file;
    std::optional<Section> node;
    std::optional<Section> underlay;
    std::optional<Section> offload;
    std::optional<Section> fast_path;
    std::vector<Section> bridges;
    std::vector<Section> ports;
    std::vector<Section> routes;
    std::vector<Section> peers;
};

Node read_node(const Section& section);
Underlay read_underlay(const Section& section);
Tuning read_tuning(const std::optional<Section>& node, const std::optional<Section>& offload);
FastPath read_fast_path(const Section& section);
Bridge read_bridge(const Section& section);
Port read_port(const Section& section);
Route read_route(const Section& section);
Peer read_peer(const Section& section);

// What holds without an [underlay]: any IPv4 address, the registered ports.
Underlay default_underlay() noexcept;

}  // namespace weft::config
