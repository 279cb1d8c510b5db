#include "cli/monitor.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace weft;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr WallTime noon{1764072000s + 123ms};

Endpoint endpoint(std::string_view text) {
    return Endpoint::parse(text).value_or(Endpoint{});
}

// A client that watches a monitor, and everything that it was sent.
struct Watcher {
    explicit Watcher(Monitor& monitor) {
        methods["monitor"] = [&monitor](const json&, const Reply& reply) {
            reply.result(json::object());
            monitor.subscribe(reply.client(), {.node = "site-a"});
        };
        session = std::make_unique<RpcSession>(
            methods, [this](const std::string& line) { lines.push_back(json::parse(line)); });
        ask();
    }

    void ask() { session->receive("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"monitor\"}\n"); }

    RpcMethods methods;
    std::vector<json> lines;
    std::unique_ptr<RpcSession> session;
};

}  // namespace

TEST_CASE("each event has its keys, and the words for people") {
    using Reason = event::PeerDown::Reason;
    const auto both = std::vector{endpoint("192.0.2.1:1").address, endpoint("[2001:db8::1]:1").address};
    const std::vector<std::pair<NodeEvent, const char*>> cases = {
        {event::Watching{"site-a"}, R"j({"event": "watching", "peer": null, "node": "site-a",
            "description": "watching site-a"})j"},
        {event::PeerUp{"b", endpoint("192.0.2.2:4500")}, R"j({"event": "peer_up", "peer": "b",
            "endpoint": "192.0.2.2:4500", "description": "peer b: up, at 192.0.2.2:4500"})j"},
        {event::PeerDown{"b", Reason::session_over}, R"j({"event": "peer_down", "peer": "b",
            "reason": "session_over", "description": "peer b: down (its session is over)"})j"},
        {event::PeerDown{"b", Reason::no_answer}, R"j({"event": "peer_down", "peer": "b",
            "reason": "no_answer", "description": "peer b: down (dead: no answer)"})j"},
        {event::PeerDown{"b", Reason::removed}, R"j({"event": "peer_down", "peer": "b",
            "reason": "removed", "description": "peer b: down (removed)"})j"},
        {event::PeerSilent{"b"}, R"j({"event": "peer_silent", "peer": "b",
            "description": "peer b: silent, being asked for new keys"})j"},
        {event::PeerHeard{"b"},
         R"j({"event": "peer_heard", "peer": "b", "description": "peer b: heard again"})j"},
        {event::HandshakeFailed{"b"}, R"j({"event": "handshake_failed", "peer": "b", "description":
            "peer b: no answer to handshakes; given up until something is to be sent to it"})j"},
        {event::SessionRenewed{"b", Cipher::aes_128_gcm, 7}, R"j({"event": "session_renewed", "peer": "b",
            "cipher": "aes-128-gcm", "handshakes": 7, "description": "peer b: new keys (aes-128-gcm), by handshake 7"})j"},
        {event::EndpointMoved{"b", std::nullopt, endpoint("192.0.2.3:9")}, R"j({"event": "endpoint_moved",
            "peer": "b", "from": null, "to": "192.0.2.3:9", "description": "peer b: now at 192.0.2.3:9"})j"},
        {event::EndpointMoved{"b", endpoint("192.0.2.2:4500"), endpoint("[2001:db8::3]:9")},
         R"j({"event": "endpoint_moved", "peer": "b", "from": "192.0.2.2:4500", "to": "[2001:db8::3]:9",
            "description": "peer b: now at [2001:db8::3]:9"})j"},
        {event::EndpointResolved{"b", "b.example", both}, R"j({"event": "endpoint_resolved", "peer": "b",
            "host": "b.example", "addresses": ["192.0.2.1", "2001:db8::1"],
            "description": "peer b: b.example is 192.0.2.1, 2001:db8::1"})j"},
        {event::PathMtuChanged{"b", 1500, 1400}, R"j({"event": "path_mtu_changed", "peer": "b",
            "from_bytes": 1500, "to_bytes": 1400, "description": "peer b: the path's MTU is 1400"})j"},
        {event::PortLost{"a1"}, R"j({"event": "port_lost", "peer": null, "port": "a1", "description":
            "port a1: its device was deleted by somebody else: restart weftd to have it again"})j"},
    };
    for (const auto& [what, expected] : cases) {
        auto told = json::parse(expected);
        told["time_s"] = 1764072000.123;
        CHECK(report_event(what, noon) == told);
    }
}

TEST_CASE("who watches is answered first, then told what it watches, then every event") {
    Monitor monitor{[] { return noon; }};
    monitor.publish(event::PeerSilent{"early"});
    const Watcher watcher{monitor};
    monitor.publish(event::PeerSilent{"b"});
    REQUIRE(watcher.lines.size() == 3);
    CHECK(watcher.lines[0] == json{{"jsonrpc", "2.0"}, {"id", 1}, {"result", json::object()}});
    CHECK(watcher.lines[1].at("params").at("event") == "watching");
    CHECK(watcher.lines[2] == json{{"jsonrpc", "2.0"},
                                   {"method", "event"},
                                   {"params", report_event(event::PeerSilent{"b"}, noon)}});
}

TEST_CASE("who asks twice is told everything once") {
    Monitor monitor;
    Watcher watcher{monitor};
    watcher.ask();
    monitor.publish(event::PeerHeard{"b"});
    CHECK(watcher.lines.size() == 4);  // two answers, one beginning, one event
}

TEST_CASE("several watch at once, and one that leaves is no loss to the others") {
    Monitor monitor;
    const Watcher first{monitor};
    auto second = std::make_unique<Watcher>(monitor);
    monitor.publish(event::PeerHeard{"b"});
    CHECK(second->lines.size() == 3);
    second.reset();
    monitor.publish(event::PeerHeard{"b"});
    CHECK(first.lines.size() == 4);
    const Watcher third{monitor};
    monitor.publish(event::PeerHeard{"b"});
    CHECK(first.lines.size() == 5);
    CHECK(third.lines.size() == 3);
}
