#include "cli/report.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/version.h"
#include "config/read_impairment.h"

namespace weft {

using nlohmann::json;

namespace {

double seconds(Duration duration) {
    return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) /
           1000.0;
}

// One value as JSON: each type in the form that the reports use.
json value_of(const std::string& text) {
    return text;
}

json value_of(Duration duration) {
    return seconds(duration);
}

json value_of(std::uint16_t number) {
    return number;
}

json value_of(std::uint64_t number) {
    return number;
}

json value_of(VlanId vlan) {
    return vlan.value();
}

json value_of(Vni vni) {
    return vni.value();
}

json value_of(Cipher cipher) {
    return to_string(cipher);
}

template <class Printable>
    requires requires(const Printable& value) { value.to_string(); }
json value_of(const Printable& value) {
    return value.to_string();
}

template <class Value>
json value_of(const std::optional<Value>& value) {
    return value ? value_of(*value) : json{};
}

template <class Value>
json list_of(const std::vector<Value>& values) {
    auto list = json::array();
    for (const auto& value : values) list.push_back(value_of(value));
    return list;
}

template <class Info, class Id>
const Info* find(const std::map<Id, Info>& infos, Id id) {
    const auto found = infos.find(id);
    return found == infos.end() ? nullptr : &found->second;
}

template <class Info, class Id>
std::string name_of(const std::map<Id, Info>& infos, Id id, std::string_view kind) {
    const auto* info = find(infos, id);
    return info != nullptr ? info->name : fmt::format("{} {}", kind, id.value());
}

// The part of an object that says which port something is about.
void put_port(json& object, const Names& names, PortId id) {
    const auto* info = find(names.ports, id);
    object["port"] = name_of(names.ports, id, "port");
    object["kind"] = info != nullptr ? json(to_string(info->kind)) : json{};
}

void put_traffic(json& object, const TrafficCounters& traffic, std::uint64_t drops) {
    object["rx_packets"] = traffic.rx_packets;
    object["rx_bytes"] = traffic.rx_bytes;
    object["tx_packets"] = traffic.tx_packets;
    object["tx_bytes"] = traffic.tx_bytes;
    object["dropped_packets"] = drops;
}

std::string_view to_string(Route::Origin origin) {
    switch (origin) {
        case Route::Origin::connected:
            return "connected";
        case Route::Origin::peer:
            return "peer";
        case Route::Origin::configured:
            return "configured";
    }
    return "unknown";
}

json per_worker(const std::vector<TrafficCounters>& workers) {
    auto list = json::array();
    for (const auto& traffic : workers) {
        list.push_back({{"worker", list.size()},
                        {"rx_packets", traffic.rx_packets},
                        {"rx_bytes", traffic.rx_bytes},
                        {"tx_packets", traffic.tx_packets},
                        {"tx_bytes", traffic.tx_bytes}});
    }
    return list;
}

// Packets can be sent to it, heard or not.
bool has_session(const PeerSnapshot& peer, const PeerInfo* info) {
    if (info != nullptr && info->protection == PeerInfo::Protection::none) return peer.last_heard.has_value();
    return peer.session_age.has_value() || peer.cipher.has_value();
}

std::string_view state_of(const PeerSnapshot& peer, const PeerInfo* info) {
    if (has_session(peer, info)) return info != nullptr && info->silent ? "silent" : "up";
    return info != nullptr && info->handshaking ? "handshaking" : "down";
}

bool is_up(const PeerSnapshot& peer, const PeerInfo* info) {
    return state_of(peer, info) == "up";
}

const PortSnapshot* port_of(const Snapshot& snapshot, PortId id) {
    const auto found = std::ranges::find(snapshot.ports, id, &PortSnapshot::port);
    return found == snapshot.ports.end() ? nullptr : &*found;
}

void append_drops(json& list, std::string_view where, const json& name, const DropCounters& counters) {
    for (std::size_t i = 0; i < drop_count; ++i) {
        const auto drop = static_cast<Drop>(i);
        if (counters[drop] == 0) continue;
        list.push_back({{"where", where},
                        {"name", name},
                        {"drop", to_string(drop)},
                        {"packets", counters[drop]},
                        {"description", description(drop)}});
    }
}

// The kernel's own, before weft has seen the packet.
void append_ring_drops(json& list, const std::string& port, std::uint64_t packets) {
    if (packets == 0) return;
    list.push_back({{"where", "port"},
                    {"name", port},
                    {"drop", "ring_full"},
                    {"packets", packets},
                    {"description", "the kernel's ring towards weft was full (txqueuelen)"}});
}

}  // namespace

std::string_view to_string(PortInfo::Kind kind) noexcept {
    switch (kind) {
        case PortInfo::Kind::tap:
            return "tap";
        case PortInfo::Kind::tun:
            return "tun";
        case PortInfo::Kind::veth:
            return "veth";
        case PortInfo::Kind::packet:
            return "packet";
        case PortInfo::Kind::tunnel:
            return "tunnel";
        case PortInfo::Kind::leg:
            return "leg";
    }
    return "unknown";
}

std::string_view to_string(PeerInfo::Protection protection) noexcept {
    switch (protection) {
        case PeerInfo::Protection::esp:
            return "esp";
        case PeerInfo::Protection::manual:
            return "manual";
        case PeerInfo::Protection::none:
            return "none";
    }
    return "unknown";
}

namespace {

json uplinks(const std::vector<UplinkInfo>& uplinks) {
    auto list = json::array();
    for (const auto& [device, early_drop, why_not] : uplinks) {
        list.push_back({{"device", device},
                        {"early_drop", value_of(early_drop)},
                        {"why_not", why_not.empty() ? json{} : json(why_not)}});
    }
    return list;
}

json fast_path(const NodeInfo& node, const OffloadSnapshot& offload) {
    return {{"mode", node.fast_path},
            {"why_not", node.why_no_fast_path.empty() ? json{} : json(node.why_no_fast_path)},
            {"flows", offload.flows},
            {"inserted", offload.inserted},
            {"withdrawn", offload.withdrawn},
            {"put_off", offload.put_off},
            {"checked_packets", offload.checked},
            {"differed_packets", offload.differed},
            {"failed_paths", node.failed_paths},
            {"uplinks", uplinks(node.uplinks)}};
}

}  // namespace

json report_status(const Snapshot& snapshot, const Names& names) {
    const auto& node = names.node;
    const auto up = std::ranges::count_if(
        snapshot.peers, [&](const PeerSnapshot& peer) { return is_up(peer, find(names.peers, peer.peer)); });
    return {
        {"version", version},
        {"name", node.name},
        {"pid", node.pid},
        {"uptime_s", seconds(node.uptime)},
        {"workers", node.workers},
        {"per_worker", per_worker(snapshot.workers)},
        {"public_key", value_of(node.public_key)},
        {"underlay",
         {{"esp", node.esp.to_string()}, {"vxlan", value_of(node.vxlan)}, {"device", value_of(node.device)}}},
        {"bridges", names.bridges.size()},
        {"ports", snapshot.ports.size()},
        {"peers", snapshot.peers.size()},
        {"peers_up", up},
        {"stations", snapshot.stations.size()},
        {"routes", snapshot.routes.size()},
        {"pool", {{"size_packets", snapshot.pool_size}, {"available_packets", snapshot.pool_available}}},
        {"fast_path", fast_path(node, snapshot.offload)},
        {"warnings", node.warnings},
    };
}

namespace {

json link_direction(const Impairment& impairment, const PortLinkCounters::Direction& state) {
    auto settings = json::object();
    for (const auto& [key, text] : config::settings_of(impairment)) settings[key] = text;
    const WireCounters& counters = state.counters;
    return {{"settings", std::move(settings)},
            {"up", state.up},
            {"offered_packets", counters.offered_packets},
            {"offered_bytes", counters.offered_bytes},
            {"delivered_packets", counters.delivered_packets},
            {"delivered_bytes", counters.delivered_bytes},
            {"lost_packets", counters.lost},
            {"cut_packets", counters.cut},
            {"too_big_packets", counters.too_big},
            {"queue_full_packets", counters.queue_full},
            {"aqm_dropped_packets", counters.aqm_dropped},
            {"aqm_marked_packets", counters.aqm_marked},
            {"corrupted_packets", counters.corrupted},
            {"duplicated_packets", counters.duplicated},
            {"reordered_packets", counters.reordered},
            {"queued_packets", state.queued_packets},
            {"queued_bytes", state.queued_bytes},
            {"under_way_packets", state.under_way_packets}};
}

json link_of(const std::optional<PortLink>& link, const std::optional<PortLinkCounters>& counters) {
    if (!link) return {};
    const PortLinkCounters state = counters.value_or(PortLinkCounters{});
    return {{"in", link_direction(link->in, state.in)}, {"out", link_direction(link->out, state.out)}};
}

}  // namespace

json report_ports(const Snapshot& snapshot, const Names& names) {
    static const PortInfo unknown;
    auto list = json::array();
    for (const auto& port : snapshot.ports) {
        const auto* known = find(names.ports, port.port);
        const auto& info = known != nullptr ? *known : unknown;
        json object;
        put_port(object, names, port.port);
        object["bridge"] = value_of(info.bridge);
        object["peer"] = value_of(info.peer);
        object["device"] = value_of(info.device);
        object["netns"] = value_of(info.netns);
        object["mtu_bytes"] = value_of(info.mtu);
        object["mac"] = value_of(info.mac);
        object["vlan"] = value_of(info.vlan);
        object["trunk"] = list_of(info.trunk);
        object["addresses"] = list_of(info.addresses);
        object["spoof_check"] = info.spoof_check;
        object["isolated"] = info.isolated;
        put_traffic(object, port.traffic, port.drops.total());
        object["ring_drops"] = value_of(port.ring_drops);
        object["impair"] = link_of(info.link, port.link);
        list.push_back(std::move(object));
    }
    return {{"ports", std::move(list)}};
}

json report_fdb(const Snapshot& snapshot, const Names& names) {
    auto list = json::array();
    for (const auto& station : snapshot.stations) {
        const auto& entry = station.entry;
        const auto* bridge = find(names.bridges, station.bridge);
        json object;
        object["bridge"] = name_of(names.bridges, station.bridge, "bridge");
        object["vni"] = bridge != nullptr ? value_of(bridge->vni) : json{};
        object["vlan"] = entry.vlan == untagged ? json{} : value_of(entry.vlan);
        object["mac"] = entry.mac.to_string();
        put_port(object, names, entry.port);
        object["age_s"] = seconds(station.age);
        list.push_back(std::move(object));
    }
    return {{"stations", std::move(list)}};
}

json report_flows(const Snapshot& snapshot, const Names& names) {
    auto list = json::array();
    for (const auto& [flow, age, idle] : snapshot.flows) {
        const bool is_routed = flow.bridge == Flow::routed;
        json object;
        object["protocol"] = flow.key.protocol;
        object["source"] = flow.key.source.to_string();
        object["source_port"] = flow.key.source_port;
        object["destination"] = flow.key.destination.to_string();
        object["destination_port"] = flow.key.destination_port;
        object["bridge"] = is_routed ? json{} : json(name_of(names.bridges, flow.bridge, "bridge"));
        object["vlan"] = flow.key.vlan == untagged ? json{} : value_of(flow.key.vlan);
        object["source_mac"] = is_routed ? json{} : value_of(flow.key.source_mac);
        object["destination_mac"] = is_routed ? json{} : value_of(flow.key.destination_mac);
        object["in"] = name_of(names.ports, flow.in, "port");
        object["out"] = name_of(names.ports, flow.out, "port");
        object["state"] = to_string(flow.state);
        object["path"] = flow.offloaded ? "kernel" : "weft";
        object["packets"] = flow.packets;
        object["bytes"] = flow.bytes;
        object["bits_per_s"] = 8 * flow.bytes_per_second;
        object["age_s"] = seconds(age);
        object["idle_s"] = seconds(idle);
        list.push_back(std::move(object));
    }
    const auto& table = snapshot.flow_table;
    return {{"flows", std::move(list)},
            {"flow_table", {{"flows", table.flows}, {"limit", table.limit}, {"evicted", table.evicted}}}};
}

json report_routes(const Snapshot& snapshot, const Names& names) {
    auto routes = json::array();
    for (const auto& route : snapshot.routes) {
        json object;
        object["to"] = route.to.to_string();
        object["via"] = value_of(route.via);
        object["port"] = nullptr;  // found by looking up `via`
        object["kind"] = nullptr;
        if (route.out != no_port) put_port(object, names, route.out);
        object["origin"] = to_string(route.origin);
        routes.push_back(std::move(object));
    }
    auto neighbors = json::array();
    for (const auto& neighbor : snapshot.neighbors) {
        json object;
        object["address"] = neighbor.address.to_string();
        object["mac"] = neighbor.mac.is_zero() ? json{} : value_of(neighbor.mac);
        put_port(object, names, neighbor.leg);
        object["reachable"] = neighbor.reachable;
        neighbors.push_back(std::move(object));
    }
    return {{"routes", std::move(routes)}, {"neighbors", std::move(neighbors)}};
}

json report_peers(const Snapshot& snapshot, const Names& names) {
    static const PeerInfo unknown;
    auto list = json::array();
    for (const auto& peer : snapshot.peers) {
        const auto* known = find(names.peers, peer.peer);
        const auto& info = known != nullptr ? *known : unknown;
        json object;
        object["peer"] = name_of(names.peers, peer.peer, "peer");
        object["state"] = state_of(peer, known);
        object["protection"] = to_string(info.protection);
        object["public_key"] = value_of(info.public_key);
        object["endpoint"] = value_of(peer.endpoint);
        object["bridges"] = list_of(info.bridges);
        object["prefixes"] = list_of(info.prefixes);
        object["cipher"] = value_of(peer.cipher);
        object["session_age_s"] = value_of(peer.session_age);
        object["sealed_packets"] = peer.sealed_packets;
        object["last_handshake_s"] = value_of(info.last_handshake);
        object["handshakes"] = info.handshakes;
        object["last_heard_s"] = value_of(peer.last_heard);
        object["path_mtu_bytes"] = value_of(peer.path_mtu);
        const auto* port = port_of(snapshot, peer.port);
        put_traffic(object, port != nullptr ? port->traffic : TrafficCounters{},
                    port != nullptr ? port->drops.total() : 0);
        object["per_worker"] = per_worker(peer.workers);
        list.push_back(std::move(object));
    }
    return {{"peers", std::move(list)}};
}

json report_denied(const Snapshot& snapshot, const Names&) {
    auto list = json::array();
    for (const auto& denied : snapshot.denied) {
        list.push_back({{"prefix", denied.prefix.to_string()},
                        {"packets", denied.packets},
                        {"bytes", denied.bytes},
                        {"kernel_packets", denied.early_packets},
                        {"path", denied.is_early ? "kernel" : "weft"}});
    }
    return {{"denied", std::move(list)}};
}

json report_drops(const Snapshot& snapshot, const Names& names) {
    auto list = json::array();
    for (const auto& port : snapshot.ports) {
        const auto* info = find(names.ports, port.port);
        const auto is_peer = info != nullptr && info->kind == PortInfo::Kind::tunnel;
        const auto name = name_of(names.ports, port.port, "port");
        append_drops(list, is_peer ? "peer" : "port", name, port.drops);
        append_ring_drops(list, name, port.ring_drops.value_or(0));
    }
    append_drops(list, "underlay", {}, snapshot.underlay_drops);
    return {{"drops", std::move(list)}};
}

}  // namespace weft
