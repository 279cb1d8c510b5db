#include "cli/monitor.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

namespace weft {

using nlohmann::json;

namespace {

// An event in the words of the interface and in those for people.
struct Told {
    std::string_view name;
    json details;
    std::string description;
    spdlog::level::level_enum level = spdlog::level::info;
};

// {key, words} of a reason.
std::pair<std::string_view, std::string_view> words_for(event::PeerDown::Reason reason) {
    switch (reason) {
        case event::PeerDown::Reason::session_over:
            return {"session_over", "its session is over"};
        case event::PeerDown::Reason::no_answer:
            return {"no_answer", "dead: no answer"};
        case event::PeerDown::Reason::removed:
            return {"removed", "removed"};
    }
    return {"unknown", "unknown"};
}

Told tell(const event::Watching& what) {
    return {"watching", {{"node", what.node}}, fmt::format("watching {}", what.node)};
}

Told tell(const event::PeerUp& what) {
    const auto endpoint = what.endpoint.to_string();
    return {"peer_up",
            {{"peer", what.peer}, {"endpoint", endpoint}},
            fmt::format("peer {}: up, at {}", what.peer, endpoint)};
}

Told tell(const event::PeerDown& what) {
    const auto [key, words] = words_for(what.reason);
    return {"peer_down",
            {{"peer", what.peer}, {"reason", key}},
            fmt::format("peer {}: down ({})", what.peer, words)};
}

Told tell(const event::PeerSilent& what) {
    return {"peer_silent",
            {{"peer", what.peer}},
            fmt::format("peer {}: silent, being asked for new keys", what.peer)};
}

Told tell(const event::PeerHeard& what) {
    return {"peer_heard", {{"peer", what.peer}}, fmt::format("peer {}: heard again", what.peer)};
}

Told tell(const event::HandshakeFailed& what) {
    return {"handshake_failed",
            {{"peer", what.peer}},
            fmt::format("peer {}: no answer to handshakes; given up until something is to be sent to it",
                        what.peer)};
}

Told tell(const event::SessionRenewed& what) {
    const auto cipher = to_string(what.cipher);
    return {"session_renewed",
            {{"peer", what.peer}, {"cipher", cipher}, {"handshakes", what.handshakes}},
            fmt::format("peer {}: new keys ({}), by handshake {}", what.peer, cipher, what.handshakes)};
}

Told tell(const event::EndpointMoved& what) {
    const auto from = what.from ? json(what.from->to_string()) : json{};
    const auto to = what.to.to_string();
    return {"endpoint_moved",
            {{"peer", what.peer}, {"from", from}, {"to", to}},
            fmt::format("peer {}: now at {}", what.peer, to)};
}

Told tell(const event::EndpointResolved& what) {
    std::vector<std::string> addresses;
    addresses.reserve(what.addresses.size());
    for (const auto& address : what.addresses) addresses.push_back(address.to_string());
    return {"endpoint_resolved",
            {{"peer", what.peer}, {"host", what.host}, {"addresses", addresses}},
            fmt::format("peer {}: {} is {}", what.peer, what.host, fmt::join(addresses, ", "))};
}

Told tell(const event::PathMtuChanged& what) {
    return {
        "path_mtu_changed",
        {{"peer", what.peer}, {"from_bytes", what.from ? json(*what.from) : json{}}, {"to_bytes", what.to}},
        fmt::format("peer {}: the path's MTU is {}", what.peer, what.to)};
}

Told tell(const event::PortLost& what) {
    return {"port_lost",
            {{"port", what.port}},
            fmt::format("port {}: its device was deleted by somebody else: restart weftd to have it again",
                        what.port),
            spdlog::level::err};
}

Told tell(const event::FlowDiffered& what) {
    return {
        "flow_differed",
        {{"in", what.in}, {"out", what.out ? json(*what.out) : json{}}},
        fmt::format(
            "fast path: a packet from port {} was {}, which the bridge does not say: its flow was taken back",
            what.in, what.out ? "sent to " + *what.out : "dropped"),
        spdlog::level::err};
}

Told tell(const NodeEvent& what) {
    return std::visit([](const auto& one) { return tell(one); }, what);
}

json params_of(Told told, WallTime when) {
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count();
    json params = std::move(told.details);
    params.emplace("peer", nullptr);
    params["time_s"] = static_cast<double>(milliseconds) / 1000.0;
    params["event"] = told.name;
    params["description"] = std::move(told.description);
    return params;
}

constexpr std::string_view notification = "event";

}  // namespace

json report_event(const NodeEvent& what, WallTime when) {
    return params_of(tell(what), when);
}

Monitor::Monitor(std::function<WallTime()> clock) : clock_(std::move(clock)) {}

void Monitor::publish(const NodeEvent& what) {
    auto told = tell(what);
    spdlog::log(told.level, "{}", told.description);
    if (clients_.empty()) return;
    const auto params = params_of(std::move(told), clock_());
    std::erase_if(clients_, [&](const RpcClient& client) { return !client.notify(notification, params); });
}

void Monitor::subscribe(const RpcClient& client, const event::Watching& first) {
    std::erase_if(clients_, [](const RpcClient& known) { return known.gone(); });
    if (std::ranges::find(clients_, client) != clients_.end()) return;
    if (client.notify(notification, report_event(first, clock_()))) clients_.push_back(client);
}

}  // namespace weft
