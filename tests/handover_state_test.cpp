#include "cli/handover_state.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace weft;

namespace {

using Bytes = std::vector<std::uint8_t>;

SaKeys keys(std::uint32_t spi) {
    SaKeys made;
    made.spi = spi;
    made.cipher = Cipher::chacha20_poly1305;
    std::ranges::fill(made.key.writable(), std::uint8_t{0x5A});
    made.salt = {1, 2, 3, 4};
    return made;
}

CarriedSession session(CarriedSession::Role role, std::uint32_t id) {
    CarriedSession carried{
        .role = role, .next_sequence = 77, .sealed_bytes = 1'000'000, .ends = Instant{Duration{180}}};
    carried.session.id = id;
    carried.session.initiator = true;
    carried.session.established = Instant{Duration{42}};
    carried.session.outbound = keys(300);
    carried.session.inbound.push_back(keys(4096));
    carried.windows.push_back({.highest = 9, .recent = {0x1FF}});
    return carried;
}

HandoverState::Port port() {
    return {
        .name = "c1",
        .order = {.type = config::Port::Type::veth,
                  .interface = {.name = "eth0",
                                .netns = "/run/netns/c1",
                                .mtu = 1408,
                                .mac = MacAddress::parse("02:00:00:00:00:01"),
                                .addresses = {*Prefix::parse("10.1.0.1/24"), *Prefix::parse("fd00::1/64")},
                                .txqueuelen = 500},
                  .queues = 2,
                  .host_end = "weftv1",
                  .tap = "weftt1",
                  .keep = true},
        .is_veth = true,
        .has_hooks = true,
        .offloads = 0x1F,
        .index = 12,
        .routes = {*Prefix::parse("10.9.0.0/16")},
        .queues = {1, 2},
        .hooks = {3, 4, 5}};
}

HandoverState full() {
    HandoverState state{.node = "site-a", .public_key = PublicKey{}, .workers = 2, .device = "eth0"};
    state.esp = *Endpoint::parse("[::]:4500");
    state.vxlan = Endpoint::parse("0.0.0.0:4789");
    state.sockets.push_back({.worker = 1,
                             .part = {.role = UnderlayPart::Role::vxlan_sender, .place = 15, .overflows = 3},
                             .descriptor = 9});
    state.ports.push_back(port());
    HandoverState::Peer& peer = state.peers.emplace_back();
    peer.name = "site-b";
    peer.endpoint = *Endpoint::parse("203.0.113.2:4500");
    peer.handshakes = 5;
    peer.workers.resize(2);
    peer.workers[0].push_back(session(CarriedSession::Role::previous, 4));
    peer.workers[0].push_back(session(CarriedSession::Role::current, 5));
    peer.workers[1].push_back(session(CarriedSession::Role::current, 5));
    state.stations.push_back({"lan", 10, *MacAddress::parse("02:00:00:00:00:02"), true, "site-b"});
    return state;
}

Bytes packed(HandoverState state) {
    const SecretBuffer buffer = pack(state);
    return {buffer.bytes().begin(), buffer.bytes().end()};
}

bool is_refused(const Bytes& bytes) {
    try {
        (void)unpack(bytes);
        return false;
    } catch (const std::runtime_error&) {
        return true;
    }
}

}  // namespace

TEST_CASE("what is packed comes out again") {
    const HandoverState read = unpack(packed(full()));
    CHECK(read.node == "site-a");
    CHECK(read.device == "eth0");
    CHECK(read.vxlan == Endpoint::parse("0.0.0.0:4789"));
    CHECK(read.sockets.at(0).part.overflows == 3);
    const HandoverState::Port& c1 = read.ports.at(0);
    CHECK(c1.order.interface.addresses == port().order.interface.addresses);
    CHECK(c1.order.interface.mac == port().order.interface.mac);
    CHECK(c1.routes == port().routes);
    CHECK(c1.hooks == std::vector<std::uint32_t>{3, 4, 5});
    const CarriedSession& carried = read.peers.at(0).workers.at(0).at(1);
    CHECK(carried.session.id == 5);
    CHECK(carried.session.outbound.key.bytes()[0] == 0x5A);
    CHECK(carried.next_sequence == 77);
    CHECK(carried.windows.at(0).recent[0] == 0x1FF);
    CHECK(read.stations.at(0).port == "site-b");
    CHECK(packed(unpack(packed(full()))) == packed(full()));
}

TEST_CASE("every truncation is refused, and a byte too many") {
    const Bytes whole = packed(full());
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(is_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))));
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(is_refused(longer));
}

TEST_CASE("a changed byte is refused, or changes a value and nothing else") {
    const Bytes whole = packed(full());
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
            Bytes changed = whole;
            changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
            if (is_refused(changed)) {
                ++refused;
            } else {
                CHECK(packed(unpack(changed)).size() == whole.size());
            }
        }
    }
    CHECK(refused > 0);
}

TEST_CASE("a state of another version is not used") {
    Bytes later = packed(full());
    later[11] = HandoverState::version + 1;
    CHECK_THROWS_WITH(unpack(later), "what the last weftd left is of another version");
}

TEST_CASE("a list that claims more than there is takes no memory for it") {
    Bytes bytes = packed(HandoverState{});
    std::fill(bytes.end() - 4, bytes.end(), std::uint8_t{0xFF});  // stations
    CHECK(is_refused(bytes));
}

TEST_CASE("a session that seals cannot begin at 0") {
    HandoverState state = full();
    state.peers[0].workers[0][1].next_sequence = 0;
    CHECK_THROWS_AS(pack(state), std::runtime_error);
}
