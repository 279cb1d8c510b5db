#include "cli/render.h"

#include <array>
#include <cmath>
#include <ctime>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/human.h"
#include "cli/table.h"

namespace weft {

using nlohmann::json;

namespace {

using Align = Table::Align;
using Tone = Table::Tone;

// A string, a number, or nothing if it is null.
std::string text(const json& object, const char* key) {
    const auto& value = object.at(key);
    if (value.is_null()) return {};
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string bytes(const json& object, const char* key) {
    return human_bytes(object.at(key).get<std::uint64_t>());
}

std::string age(const json& object, const char* key) {
    const auto& value = object.at(key);
    return value.is_null() ? "never" : human_age(value.get<double>());
}

std::string joined(const json& object, std::initializer_list<const char*> keys) {
    std::string list;
    for (const auto* key : keys) {
        for (const auto& item : object.at(key)) {
            if (!list.empty()) list += ", ";
            list += item.is_string() ? item.get<std::string>() : item.dump();
        }
    }
    return list;
}

std::string counted(const json& number, std::string_view noun) {
    const auto count = number.get<std::uint64_t>();
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string render_status(const json& status, bool) {
    auto page = fmt::format("{}: weft {}, pid {}, up {}\n", text(status, "name"), text(status, "version"),
                            text(status, "pid"), human_duration(status.at("uptime_s").get<double>()));
    const auto line = [&](std::string_view label, std::string_view value) {
        if (!value.empty()) page += fmt::format("  {:<12}{}\n", label, value);
    };
    const auto& underlay = status.at("underlay");
    auto endpoints = "ESP at " + text(underlay, "esp");
    if (!underlay.at("vxlan").is_null()) endpoints += ", plain VXLAN at " + text(underlay, "vxlan");
    if (!underlay.at("device").is_null()) endpoints += ", on " + text(underlay, "device");
    line("public key", text(status, "public_key"));
    line("underlay", endpoints);
    line("peers", fmt::format("{} of {} up", text(status, "peers_up"), text(status, "peers")));
    line("switch", fmt::format("{}, {}, {}, {}", counted(status.at("bridges"), "bridge"),
                               counted(status.at("ports"), "port"), counted(status.at("stations"), "station"),
                               counted(status.at("routes"), "route")));
    const auto& pool = status.at("pool");
    line("buffers",
         fmt::format("{} of {} free", text(pool, "available_packets"), text(pool, "size_packets")));
    line("workers", text(status, "workers"));
    const auto& fast_path = status.at("fast_path");
    line("fast path",
         fast_path.at("why_not").is_null()
             ? fmt::format("{}, {}", text(fast_path, "mode"), counted(fast_path.at("flows"), "flow"))
             : fmt::format("{}: {}", text(fast_path, "mode"), text(fast_path, "why_not")));
    for (const auto& [where, why] : fast_path.at("failed_paths").items())
        line("no flows", fmt::format("{}: {}", where, why.get<std::string>()));
    for (const auto& uplink : fast_path.at("uplinks")) {
        line("early drop", fmt::format("{}: {}", text(uplink, "device"),
                                       uplink.at("early_drop").is_null() ? "none: " + text(uplink, "why_not")
                                                                         : text(uplink, "early_drop")));
    }
    for (const auto& warning : status.at("warnings")) page += "warning: " + warning.get<std::string>() + '\n';
    return page;
}

// In the words of `weft check`.
std::string rules_of(const json& port) {
    const bool guarded = port.at("spoof_check").get<bool>();
    const bool isolated = port.at("isolated").get<bool>();
    std::vector<std::string_view> rules;
    if (guarded) rules.emplace_back("guarded");
    if (isolated) rules.emplace_back("isolated");
    if (!port.at("impair").is_null()) rules.emplace_back("impaired");
    return rules.empty() ? std::string{"-"} : fmt::format("{}", fmt::join(rules, ", "));
}

std::string render_ports(const json& result, bool color) {
    const auto& ports = result.at("ports");
    if (ports.empty()) return "no ports\n";
    Table table{{{"PORT"},
                 {"KIND"},
                 {"BRIDGE"},
                 {"VLAN"},
                 {"DEVICE"},
                 {"MTU", Align::right},
                 {"ADDRESS"},
                 {"RULES"},
                 {"RX", Align::right},
                 {"TX", Align::right},
                 {"DROPPED", Align::right},
                 {"RING DROPS", Align::right}}};
    for (const auto& port : ports) {
        auto device = text(port, "device");
        if (!port.at("netns").is_null()) device += " in " + text(port, "netns");
        auto vlan = port.at("trunk").empty() ? text(port, "vlan") : "trunk " + joined(port, {"trunk"});
        table.add({text(port, "port"), text(port, "kind"), text(port, "bridge"), std::move(vlan),
                   std::move(device), text(port, "mtu_bytes"), joined(port, {"addresses"}), rules_of(port),
                   bytes(port, "rx_bytes"), bytes(port, "tx_bytes"), text(port, "dropped_packets"),
                   text(port, "ring_drops")});
    }
    return table.to_string(color);
}

std::string render_fdb(const json& result, bool color) {
    const auto& stations = result.at("stations");
    if (stations.empty()) return "no stations learned yet\n";
    Table table{{{"BRIDGE"}, {"VLAN", Align::right}, {"MAC"}, {"PORT"}, {"KIND"}, {"SEEN", Align::right}}};
    for (const auto& station : stations) {
        table.add({text(station, "bridge"), text(station, "vlan"), text(station, "mac"),
                   text(station, "port"), text(station, "kind"), age(station, "age_s")});
    }
    return table.to_string(color);
}

std::string render_routes(const json& result, bool color) {
    std::string page = "no routes\n";
    if (const auto& routes = result.at("routes"); !routes.empty()) {
        Table table{{{"TO"}, {"VIA"}, {"PORT"}, {"KIND"}, {"ORIGIN"}}};
        for (const auto& route : routes) {
            table.add({text(route, "to"), text(route, "via"), text(route, "port"), text(route, "kind"),
                       text(route, "origin")});
        }
        page = table.to_string(color);
    }
    if (const auto& neighbors = result.at("neighbors"); !neighbors.empty()) {
        Table table{{{"NEIGHBOR"}, {"MAC"}, {"PORT"}, {"STATE"}}};
        for (const auto& neighbor : neighbors) {
            const auto reachable = neighbor.at("reachable").get<bool>();
            table.add({text(neighbor, "address"),
                       text(neighbor, "mac"),
                       text(neighbor, "port"),
                       {reachable ? "reachable" : "unresolved", reachable ? Tone::good : Tone::doubtful}});
        }
        page += '\n' + table.to_string(color);
    }
    return page;
}

Table::Cell peer_state(const json& peer) {
    auto state = text(peer, "state");
    const auto tone = state == "up" ? Tone::good : state == "down" ? Tone::bad : Tone::doubtful;
    return {std::move(state), tone};
}

std::string render_peers(const json& result, bool color) {
    const auto& peers = result.at("peers");
    if (peers.empty()) return "no peers configured\n";
    Table table{{{"PEER"},
                 {"STATE"},
                 {"ENDPOINT"},
                 {"PROTECTION"},
                 {"REACHES"},
                 {"HANDSHAKE", Align::right},
                 {"HEARD", Align::right},
                 {"PATH MTU", Align::right},
                 {"RX", Align::right},
                 {"TX", Align::right},
                 {"DROPPED", Align::right}}};
    for (const auto& peer : peers) {
        auto protection = text(peer, "protection");
        if (!peer.at("cipher").is_null()) protection += ' ' + text(peer, "cipher");
        const auto has_handshakes = peer.at("protection") == "esp";
        table.add({text(peer, "peer"), peer_state(peer), text(peer, "endpoint"), std::move(protection),
                   joined(peer, {"bridges", "prefixes"}), has_handshakes ? age(peer, "last_handshake_s") : "",
                   age(peer, "last_heard_s"), text(peer, "path_mtu_bytes"), bytes(peer, "rx_bytes"),
                   bytes(peer, "tx_bytes"), text(peer, "dropped_packets")});
    }
    return table.to_string(color);
}

// An address with its port; brackets keep the colons of IPv6 apart.
std::string endpoint(const json& flow, const char* address, const char* port) {
    const auto host = text(flow, address);
    return fmt::format("{}:{}", host.contains(':') ? '[' + host + ']' : host, text(flow, port));
}

std::string protocol_name(const json& number) {
    switch (number.get<unsigned>()) {
        case 1:
            return "icmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 58:
            return "icmpv6";
        default:
            return number.dump();
    }
}

std::string render_flows(const json& result, bool color) {
    const auto& flows = result.at("flows");
    const auto& table_size = result.at("flow_table");
    Table table{{{"PROTO"},
                 {"SOURCE"},
                 {"DESTINATION"},
                 {"BRIDGE"},
                 {"IN"},
                 {"OUT"},
                 {"STATE"},
                 {"PATH"},
                 {"RATE", Align::right},
                 {"PACKETS", Align::right},
                 {"BYTES", Align::right},
                 {"IDLE", Align::right}}};
    for (const auto& flow : flows) {
        const auto bridge = flow.at("bridge").is_null() ? "routed" : text(flow, "bridge");
        const auto state = text(flow, "state");
        table.add({protocol_name(flow.at("protocol")), endpoint(flow, "source", "source_port"),
                   endpoint(flow, "destination", "destination_port"), bridge, text(flow, "in"),
                   text(flow, "out"), Table::Cell{state, state == "established" ? Tone::good : Tone::plain},
                   text(flow, "path"), human_bit_rate(flow.at("bits_per_s").get<std::uint64_t>()),
                   text(flow, "packets"), bytes(flow, "bytes"),
                   human_duration(flow.at("idle_s").get<double>())});
    }
    const auto summary = fmt::format("{} of {} flows known, {} displaced\n", text(table_size, "flows"),
                                     text(table_size, "limit"), text(table_size, "evicted"));
    return flows.empty() ? "no flows\n" + summary : table.to_string(color) + summary;
}

std::string render_drops(const json& result, bool color) {
    const auto& drops = result.at("drops");
    if (drops.empty()) return "nothing was dropped\n";
    Table table{{{"WHERE"}, {"NAME"}, {"REASON"}, {"PACKETS", Align::right}, {"MEANING"}}};
    for (const auto& drop : drops) {
        table.add({text(drop, "where"), text(drop, "name"), text(drop, "drop"), text(drop, "packets"),
                   text(drop, "description")});
    }
    return table.to_string(color);
}

std::string render_rekey(const json& result, bool) {
    const auto& rekeyed = result.at("rekeyed");
    if (rekeyed.empty()) return "no peer has a session: nothing to renew\n";
    std::string page;
    for (const auto& peer : rekeyed) page += fmt::format("{}: handshake started\n", peer.get<std::string>());
    return page;
}

std::string render_denied(const json& result, bool color) {
    const auto& denied = result.at("denied");
    if (denied.empty()) return "nobody is denied\n";
    Table table{{{"PREFIX"}, {"PATH"}, {"PACKETS", Align::right}, {"BYTES", Align::right}}};
    for (const auto& entry : denied) {
        table.add(
            {text(entry, "prefix"), text(entry, "path"), text(entry, "packets"), bytes(entry, "bytes")});
    }
    return table.to_string(color);
}

std::string render_deny_add(const json& result, bool) {
    auto page = fmt::format("{}: denied\n", text(result, "prefix"));
    for (const auto& peer : result.at("peers"))
        page += fmt::format("warning: peer {} is in it, and shut out\n", peer.get<std::string>());
    return page;
}

std::string render_deny_del(const json& result, bool) {
    return fmt::format("{}: allowed again\n", text(result, "prefix"));
}

std::string render_apply(const json& result, bool /*color*/) {
    const auto& changes = result.at("changes");
    const bool applied = result.at("applied").get<bool>();
    if (changes.empty()) return "nothing to change\n";
    std::string text;
    for (const auto& change : changes) text += fmt::format("{}\n", change.get<std::string>());
    if (!applied) return text + fmt::format("{} changes, none of them made (--dry-run)\n", changes.size());
    const auto confirm_s = result.at("confirm_s").get<std::uint64_t>();
    text += fmt::format("{} changes made\n", changes.size());
    if (confirm_s > 0) text += fmt::format("they are taken back in {} s, unless: weft confirm\n", confirm_s);
    return text;
}

// "1 of 253 used"; of a network with more addresses than anybody gives, how many there are says nothing.
std::string usage(const json& pool) {
    constexpr std::uint64_t large = std::uint64_t{1} << 32U;
    const auto size = pool.at("size").get<std::uint64_t>();
    return size >= large ? text(pool, "used") + " used"
                         : fmt::format("{} of {} used", text(pool, "used"), size);
}

std::string render_ipam(const json& result, bool color) {
    const auto& pools = result.at("pools");
    if (pools.empty()) return "no pools: a bridge with a gateway is one\n";
    Table table{{{"POOL"}, {"ADDRESS"}, {"OWNER"}}};
    bool given = false;
    std::string summary;
    for (const auto& pool : pools) {
        for (const auto& lease : pool.at("leases")) {
            table.add({text(pool, "pool"), text(lease, "address"), text(lease, "owner")});
            given = true;
        }
        summary += fmt::format("{}, {}: {}\n", text(pool, "pool"), text(pool, "prefix"), usage(pool));
    }
    return (given ? table.to_string(color) : "no leases\n") + summary;
}

std::string render_added(const json& result, bool /*color*/) {
    std::string text = result.at("name").get<std::string>() + " is there";
    if (result.contains("device")) {
        text += fmt::format(": {}, MAC {}, MTU {}", result.at("device").get<std::string>(),
                            result.at("mac").get<std::string>(), result.at("mtu").get<unsigned>());
    }
    return text + "\n";
}

std::string render_removed(const json& result, bool /*color*/) {
    return result.at("removed").get<bool>() ? "removed\n" : "there was none\n";
}

struct Renderer {
    std::string_view method;
    std::string (*render)(const json&, bool color);
};

constexpr std::array renderers = {
    Renderer{"status", render_status},
    Renderer{"ports", render_ports},
    Renderer{"fdb", render_fdb},
    Renderer{"routes", render_routes},
    Renderer{"peers", render_peers},
    Renderer{"flows", render_flows},
    Renderer{"drops", render_drops},
    Renderer{"rekey", render_rekey},
    Renderer{"deny", render_denied},
    Renderer{"deny_add", render_deny_add},
    Renderer{"deny_del", render_deny_del},
    Renderer{"apply", render_apply},
    Renderer{"ipam", render_ipam},
    Renderer{"port_add", render_added},
    Renderer{"bridge_add", render_added},
    Renderer{"port_del", render_removed},
    Renderer{"bridge_del", render_removed},
};

}  // namespace

std::string render(std::string_view method, const json& result, bool color) {
    for (const auto& renderer : renderers) {
        if (renderer.method == method) return renderer.render(result, color);
    }
    throw std::invalid_argument(fmt::format("no table for '{}'", method));
}

std::string render_event(const json& event) {
    const auto milliseconds = std::llround(event.at("time_s").get<double>() * 1000);
    const auto second = static_cast<std::time_t>(milliseconds / 1000);
    std::tm local{};
    ::localtime_r(&second, &local);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03}  {}", local, milliseconds % 1000,
                       text(event, "description"));
}

}  // namespace weft
