#include "lab/lab_report.h"

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "config/read_impairment.h"
#include "vswitch/precise_timer.h"

namespace weft::lab {

using nlohmann::json;

namespace {

template <class... Cases>
struct Match : Cases... {
    using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

double seconds(Duration duration) {
    return std::chrono::duration<double>{duration}.count();
}

json end_json(const Topology& topology, const LinkEnd& end) {
    json addresses = json::array();
    for (const Prefix& address : end.addresses) addresses.push_back(address.to_string());
    return {{"node", topology.nodes.at(end.node).name},
            {"interface", end.interface},
            {"mac", end.mac.to_string()},
            {"mtu", end.mtu},
            {"addresses", std::move(addresses)}};
}

json wire_json(Runner& runner, LinkIndex link, Direction direction) {
    const Wire& wire = runner.network().wire(link, direction);
    json result = to_json(wire.counters());
    result["up"] = wire.is_up();
    result["impair"] = to_json(wire.impairment());
    result["impairment"] = config::describe(wire.impairment());
    result["queued_packets"] = wire.queued_packets();
    result["queued_bytes"] = wire.queued_bytes();
    return result;
}

json link_json(Runner& runner, LinkIndex index) {
    const Topology& topology = runner.topology();
    const Link& link = topology.links[index];
    json ends = json::array();
    for (std::uint8_t which = 0; which < 2; ++which) {
        ends.push_back(end_json(topology, link.ends[which]));
        ends.back()["device_drops"] = runner.ends().drops({index, which});
    }
    return {{"name", link.name},
            {"ends", std::move(ends)},
            {"there", wire_json(runner, index, Direction::there)},
            {"back", wire_json(runner, index, Direction::back)}};
}

std::string direction_text(std::optional<Direction> direction) {
    if (!direction) return "";
    return *direction == Direction::there ? " there" : " back";
}

}  // namespace

json to_json(const WireCounters& counters) {
    return {{"offered_packets", counters.offered_packets},
            {"offered_bytes", counters.offered_bytes},
            {"delivered_packets", counters.delivered_packets},
            {"delivered_bytes", counters.delivered_bytes},
            {"lost", counters.lost},
            {"cut", counters.cut},
            {"too_big", counters.too_big},
            {"queue_full", counters.queue_full},
            {"aqm_dropped", counters.aqm_dropped},
            {"aqm_marked", counters.aqm_marked},
            {"corrupted", counters.corrupted},
            {"duplicated", counters.duplicated},
            {"reordered", counters.reordered}};
}

json to_json(const Impairment& impairment) {
    json result = json::object();
    for (const auto& [key, value] : config::settings_of(impairment)) result[key] = value;
    return result;
}

std::string size_of(const Topology& topology) {
    const auto counted = [](std::size_t count, const char* what) {
        return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
    };
    return fmt::format("{}, {}", counted(topology.nodes.size(), "node"),
                       counted(topology.links.size(), "link"));
}

const char* kind_of(const Node& node) noexcept {
    return std::visit(Match{[](const Host&) { return "host"; }, [](const Switch&) { return "switch"; },
                            [](const Router&) { return "router"; }, [](const Site&) { return "site"; },
                            [](const RealInterface&) { return "interface"; }},
                      node.kind);
}

std::string describe(const Action& action, const Topology& topology) {
    const auto up = [](bool is_up) { return is_up ? "up" : "down"; };
    return std::visit(Match{
                          [&](const SetLink& one) {
                              std::string text = fmt::format("link {}{}:", topology.links.at(one.link).name,
                                                             direction_text(one.direction));
                              for (const auto& [key, value] : one.settings)
                                  text += fmt::format(" {}={}", key, value);
                              return text;
                          },
                          [&](const SwitchLink& one) {
                              return fmt::format("link {}{}: {}", topology.links.at(one.link).name,
                                                 direction_text(one.direction), up(one.up));
                          },
                          [&](const SwitchNode& one) {
                              return fmt::format("node {}: {}", topology.nodes.at(one.node).name, up(one.up));
                          },
                          [&](const RunCommand& one) {
                              return fmt::format("{}: {}", topology.nodes.at(one.node).name, one.command);
                          },
                      },
                      action);
}

// The lab's packets wait meanwhile: nothing is copied, and the links are gone through once.
json report(Runner& runner) {
    const Topology& topology = runner.topology();
    std::vector<json> interfaces(topology.nodes.size(), json::array());
    json links = json::array();
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        const Link& link = topology.links[i];
        for (const LinkEnd& end : link.ends) {
            json interface = end_json(topology, end);
            interface["link"] = link.name;
            interfaces[end.node].push_back(std::move(interface));
        }
        links.push_back(link_json(runner, i));
    }
    json nodes = json::array();
    for (NodeIndex i = 0; i < topology.nodes.size(); ++i) {
        const Node& node = topology.nodes[i];
        nodes.push_back(
            {{"name", node.name}, {"kind", kind_of(node)}, {"interfaces", std::move(interfaces[i])}});
    }
    return {{"lab", topology.name},
            {"file", topology.file},
            {"folder", runner.options().folder},
            {"seed", topology.seed},
            {"uptime_s", seconds(precise_now() - runner.began())},
            {"nodes", std::move(nodes)},
            {"links", std::move(links)},
            {"warnings", runner.warnings()}};
}

}  // namespace weft::lab
