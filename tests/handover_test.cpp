#include "cli/handover.h"

#include <chrono>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "overlay/peer.h"

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{1000s};

Secret<32> secret(std::uint8_t byte) {
    Secret<32> made;
    std::ranges::fill(made.writable(), byte);
    return made;
}

config::Config node() {
    config::Config config;
    config.node.name = "site-a";
    config.node.private_key.emplace(secret(1));
    config.node.public_key = PublicKey{{9}};
    config::Peer& peer = config.peers.emplace_back();
    peer.name = "site-b";
    peer.public_key = PublicKey{{7}};
    return config;
}

void describe(HandoverState& state) {
    state.node = "site-a";
    state.public_key = PublicKey{{9}};
    HandoverState::Peer& peer = state.peers.emplace_back();
    peer.name = "site-b";
    peer.public_key = PublicKey{{7}};
    CarriedSession& carried = peer.workers.emplace_back().emplace_back();
    carried.session.established = start;
    carried.ends = start + PeerSession::lifetime;
}

// As the service manager keeps it.
Inheritance::Named kept(Legacy& legacy) {
    Inheritance::Named named;
    for (const auto& [name, descriptor] : legacy.seal())
        named.emplace_back(name, Descriptor{::dup(descriptor)});
    return named;
}

Inheritance::Named copies(const Inheritance::Named& named) {
    Inheritance::Named copied;
    for (const auto& [name, descriptor] : named)
        copied.emplace_back(name, Descriptor{::dup(descriptor.get())});
    return copied;
}

bool has_peer(Inheritance inherited, const config::Config& config, Instant now = start + 1s,
              unsigned workers = 1) {
    return inherited.peer(config.peers[0], workers, now).has_value();
}

bool is_taken_over(const config::Config& config, Instant now = start + 1s, unsigned workers = 1) {
    Legacy legacy;
    describe(legacy.state());
    return has_peer(Inheritance::take(kept(legacy), config), config, now, workers);
}

}  // namespace

TEST_CASE("a session goes on if node and peer are who they were") {
    CHECK(is_taken_over(node()));
}

TEST_CASE("a session ends with a change of any key") {
    auto config = node();
    config.peers[0].public_key = PublicKey{{8}};
    CHECK_FALSE(is_taken_over(config));
    config = node();
    config.peers[0].preshared_key.emplace(secret(3));
    CHECK_FALSE(is_taken_over(config));
    config = node();
    config.node.public_key = PublicKey{{10}};
    CHECK_FALSE(is_taken_over(config));
    config = node();
    config.peers[0].name = "site-c";
    CHECK_FALSE(is_taken_over(config));
}

TEST_CASE("a session ends with another number of workers") {
    CHECK_FALSE(is_taken_over(node(), start + 1s, 2));
}

TEST_CASE("a session that is over, or begins in the future, is not gone on with") {
    CHECK(is_taken_over(node(), start + 179s));
    CHECK_FALSE(is_taken_over(node(), start + 180s));
    CHECK_FALSE(is_taken_over(node(), start - 1s));
}

TEST_CASE("what another node has left is not used") {
    auto config = node();
    config.node.name = "site-c";
    CHECK_FALSE(is_taken_over(config));
}

TEST_CASE("two starts with one state: the second has nothing") {
    Legacy legacy;
    describe(legacy.state());
    const auto named = kept(legacy);
    const auto config = node();
    CHECK(has_peer(Inheritance::take(copies(named), config), config));
    CHECK_FALSE(has_peer(Inheritance::take(copies(named), config), config));
}

TEST_CASE("descriptors without a state are closed") {
    Inheritance::Named named;
    named.emplace_back("weft-0", Descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)});
    const int number = named[0].second.get();
    (void)Inheritance::take(std::move(named), node());
    CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("a descriptor that is not what it is said to be makes its port anew, and is closed") {
    Legacy legacy;
    describe(legacy.state());
    const Descriptor wrong{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    HandoverState::Port& port = legacy.state().ports.emplace_back();
    port.name = "lan0";
    port.order.interface.name = "lan0";
    port.queues = {legacy.add(wrong.get())};
    auto inherited = Inheritance::take(kept(legacy), node());
    CHECK_FALSE(inherited.port(port.order));
    CHECK_FALSE(inherited.port(port.order));
}

TEST_CASE("sockets of an underlay that has changed are closed") {
    Legacy legacy;
    describe(legacy.state());
    const Descriptor socket{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    legacy.state().esp = *Endpoint::parse("0.0.0.0:4500");
    legacy.state().sockets.push_back({.worker = 0, .part = {}, .descriptor = legacy.add(socket.get())});
    const auto named = kept(legacy);
    UnderlayOptions options{.device = {}, .esp = *Endpoint::parse("0.0.0.0:4501"), .vxlan = {}};
    auto inherited = Inheritance::take(copies(named), node());
    CHECK_FALSE(inherited.underlay(options, 1));
}
