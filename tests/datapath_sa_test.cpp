// ESP and control datagrams at the underlay's door of one node with a peer whose keys the test has, too.
#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "tests/support/single_node.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr BridgeId lan{0};
constexpr PortId tap{0};
constexpr PortId tun{1};
constexpr PortId tunnel{2};
constexpr PeerId peer{0};
constexpr Vni vni{100};

const Endpoint there = Endpoint{ip("192.0.2.2"), 4500};
const Endpoint elsewhere = Endpoint{ip("198.51.100.7"), 61000};

const IpAddress here_host = ip("10.1.0.2");
const IpAddress there_host = ip("10.2.0.2");

constexpr std::uint8_t next_ipv4 = 4;

Bytes datagram_in() {
    return udp_datagram(there_host, here_host, 32);
}

Bytes datagram_out() {
    return udp_datagram(here_host, there_host, 32);
}

struct PeerNode : SingleNode {
    explicit PeerNode(const std::optional<Endpoint>& endpoint = there) {
        topology().add_bridge(lan, {.vni = vni, .limits = {}});
        topology().add_frame_device(tap, lan, {});
        topology().add_datagram_device(tun, {prefix("10.1.0.1/24")}, 1438);
        topology().add_peer(peer, tunnel,
                            {.endpoint = endpoint,
                             .bridges = {lan},
                             .prefixes = {prefix("10.2.0.0/24")},
                             .routed_mtu = 1438,
                             .liveness = {}});
    }

    void install_manual() { datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 1, 1000}, now); }

    // A session whose SPIs are 300 + n outbound and 400 + n inbound.
    void install(std::uint32_t n, bool initiator) {
        Session session{
            .id = n, .outbound = sa_keys(300 + n), .inbound = {}, .initiator = initiator, .established = now};
        session.inbound.push_back(sa_keys(400 + n));
        datapath.install(peer, session, now);
        collect();
    }

    void receive(const Bytes& bytes, const Endpoint& from = there) {
        from_underlay(Channel::esp, from, bytes);
    }

    SaEnd far{400, 300};
};

std::uint32_t spi_of(const Sent& sent) {
    return Esp::spi_of(sent.bytes);
}

std::optional<Endpoint> endpoint_of(PeerNode& node) {
    return node.topology().peers().find(peer)->endpoint;
}

}  // namespace

TEST_CASE("a datagram crosses from TUN to peer to TUN, losing a hop at each router") {
    PeerNode a;
    PeerNode b;
    a.install_manual();
    b.topology().remove_peer(peer);
    b.topology().remove_port(tun);
    b.topology().add_datagram_device(tun, {prefix("10.2.0.1/24")}, 1438);
    b.topology().add_peer(
        peer, tunnel,
        {.endpoint = elsewhere, .prefixes = {prefix("10.1.0.0/24")}, .routed_mtu = 1438, .liveness = {}});
    b.datapath.install_manual(peer, {sa_keys(400), sa_keys(300), 1, 1000}, b.now);

    a.from_port(tun, datagram_out());
    const auto sent = a.sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].to == there);
    CHECK(sent[0].channel == Channel::esp);
    CHECK(sent[0].tunnel == tunnel);
    b.from_underlay(Channel::esp, elsewhere, sent[0].bytes);
    CHECK(b.at(tun) == Packets{udp_datagram(here_host, there_host, 32, 62)});
    CHECK(a.held() + b.held() == 0);
    CHECK(b.topology().port(tunnel).traffic.rx_packets == 1);
    CHECK(a.topology().port(tunnel).traffic.tx_packets == 1);
}

TEST_CASE("IPv6 datagrams are sealed with their own next header") {
    PeerNode node;
    node.install_manual();
    node.topology().add_route({prefix("2001:db8:2::/48"), tunnel, std::nullopt, Route::Origin::configured});
    node.from_port(tun, udp_datagram(ip("2001:db8:1::1"), ip("2001:db8:2::1"), 10));
    const auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(node.far.open(sent[0].bytes).next_header == 41);
}

TEST_CASE("what comes from a denied source is counted, and nothing else happens to it") {
    PeerNode node;
    node.install_manual();
    REQUIRE(node.datapath.denied().add(prefix("198.51.100.0/24")));
    REQUIRE(node.datapath.denied().add(prefix("198.51.100.7/32")));
    CHECK_FALSE(node.datapath.denied().add(prefix("198.51.100.0/24")));
    const Bytes sealed = node.far.seal(datagram_in(), next_ipv4);
    Bytes train = sealed;
    train.insert(train.end(), sealed.begin(), sealed.end());
    Bytes handshake(100, 1);
    std::ranges::fill_n(handshake.begin(), 4, std::uint8_t{0});

    node.receive(sealed, elsewhere);
    node.from_underlay(
        {.bytes = train, .datagram_size = sealed.size(), .from = elsewhere, .channel = Channel::esp});
    node.receive(handshake, {ip("198.51.100.8"), 4500});
    node.from_underlay(Channel::vxlan, {ip("198.51.100.8"), 4789}, Bytes(60, 8));
    CHECK(node.underlay_drops(Drop::denied) == 5);
    CHECK(node.all_drops() == 5);
    CHECK(node.at(tun).empty());
    CHECK(node.sent().empty());
    CHECK(node.datapath.events().empty());
    CHECK(endpoint_of(node) == there);

    const auto denied = node.datapath.snapshot(node.now).denied;
    REQUIRE(denied.size() == 2);
    CHECK(denied[0].prefix == prefix("198.51.100.0/24"));
    CHECK(denied[0].packets == 2);
    CHECK(denied[0].bytes == 160);
    CHECK(denied[1].prefix == prefix("198.51.100.7/32"));
    CHECK(denied[1].packets == 3);
    CHECK(denied[1].bytes == 3 * sealed.size());

    node.receive(sealed);
    CHECK(node.at(tun).size() == 1);
}

TEST_CASE("a source is denied by the widest prefix too, until the last one that has it is removed") {
    PeerNode node;
    node.install_manual();
    DenyList& denied = node.datapath.denied();
    const auto arrives = [&] {
        node.receive(node.far.seal(datagram_in(), next_ipv4));
        return !node.at(tun).empty();
    };
    CHECK(denied.empty());
    CHECK(arrives());
    for (const char* text : {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.2/32", "::/0"}) denied.add(prefix(text));
    for (const char* text : {"192.0.2.2/32", "192.0.2.0/24", "0.0.0.0/0"}) {
        CAPTURE(text);
        CHECK_FALSE(arrives());
        CHECK(denied.remove(prefix(text)));
        CHECK_FALSE(denied.remove(prefix(text)));
    }
    CHECK(arrives());
    CHECK_FALSE(denied.empty());
    CHECK(node.underlay_drops(Drop::denied) == 3);
}

TEST_CASE("what the underlay brings is dropped under the name of its fault") {
    PeerNode node;
    node.install_manual();
    const Bytes sealed = node.far.seal(datagram_in(), next_ipv4);
    Bytes broken = node.far.seal(datagram_in(), next_ipv4);
    broken.back() ^= 1U;
    Bytes odd_port = in_vxlan(vni, Bytes(60, 2));
    odd_port[3] ^= 1U;

    struct Case {
        Bytes bytes;
        Drop drop;
        bool of_peer;
    };

    const Case cases[] = {
        {sealed, Drop::replayed, true},  // delivered below, before the table
        {broken, Drop::auth_failed, true},
        {{0, 0, 1, 0x90, 0, 0, 0, 1}, Drop::truncated, true},  // SPI 400
        {{1, 2, 3}, Drop::truncated, false},
        {{}, Drop::truncated, false},
        {{0xFF, 0xFF}, Drop::truncated, false},
        {SaEnd(999, 1).seal(datagram_in(), next_ipv4), Drop::unknown_spi, false},
        {node.far.seal(datagram_in(), 6), Drop::unknown_next_header, true},
        {node.far.seal(Bytes(7, 1), 17), Drop::truncated, true},
        {node.far.seal(odd_port, 17), Drop::bad_vxlan, true},
        {node.far.seal(in_vxlan(Vni{5}, Bytes(60, 2)), 17), Drop::foreign_vni, true},
        {node.far.seal(udp_datagram(ip("10.3.0.1"), here_host, 1), next_ipv4), Drop::foreign_source, true},
        {node.far.seal(Bytes{0x45, 0, 0}, next_ipv4), Drop::truncated, true},
        {node.far.seal({}, next_ipv4), Drop::truncated, true},
        {node.far.seal(udp_datagram(there_host, ip("10.2.0.9"), 1), next_ipv4), Drop::same_port, true},
        {node.far.seal(udp_datagram(there_host, ip("127.0.0.1"), 1), next_ipv4), Drop::not_forwardable, true},
    };
    node.receive(sealed);
    CHECK(node.at(tun).size() == 1);
    for (const auto& [bytes, drop, of_peer] : cases) {
        CAPTURE(to_string(drop));
        const auto all_before = node.all_drops();
        const auto before = of_peer ? node.drops(tunnel, drop) : node.underlay_drops(drop);
        node.receive(bytes);
        CHECK((of_peer ? node.drops(tunnel, drop) : node.underlay_drops(drop)) == before + 1);
        CHECK(node.all_drops() == all_before + 1);
        CHECK(node.at(tun).empty());
        CHECK(node.at(tap).empty());
    }
    CHECK(node.held() == 0);
}

TEST_CASE("a dummy is heard, and neither delivered nor counted") {
    PeerNode node;
    node.install_manual();
    node.receive(node.far.seal(datagram_in(), 59), elsewhere);
    CHECK(node.at(tun).empty());
    CHECK(node.all_drops() == 0);
    CHECK(node.topology().port(tunnel).traffic.rx_packets == 0);
    CHECK(node.events<PeerMoved>().size() == 1);
    CHECK(node.held() == 0);
}

TEST_CASE("a NAT's keepalive is neither answered nor counted") {
    PeerNode node;
    node.install_manual();
    node.receive({0xFF});
    CHECK(node.all_drops() == 0);
    CHECK(node.datapath.events().empty());
    CHECK(node.sent().empty());
    CHECK(node.held() == 0);
}

TEST_CASE("control datagrams that pass the gate become events, up to a number") {
    PeerNode node;
    const auto cookie = CookieReply{.receiver = 7}.serialize();
    const Bytes control(cookie.begin(), cookie.end());
    node.receive(control, elsewhere);
    auto events = node.events<ControlReceived>();
    REQUIRE(events.size() == 1);
    CHECK(std::ranges::equal(events[0].datagram(), control));
    CHECK(events[0].from == elsewhere);

    node.receive(Bytes(control.size() + 1, 0));
    node.receive(Bytes(4, 0));
    CHECK(node.underlay_drops(Drop::bad_control) == 2);
    CHECK(node.datapath.events().empty());

    for (std::size_t i = 0; i < Datapath::max_events + 3; ++i) node.receive(control);
    CHECK(node.events<ControlReceived>().size() == Datapath::max_events);
    CHECK(node.underlay_drops(Drop::queue_full) == 3);
    CHECK(node.held() == 0);
}

TEST_CASE(
    "a flood of first messages is answered with cookies from the packet thread, and no longer told on") {
    PeerNode node;
    const PublicKey own{{1, 2, 3}};
    node.datapath.admit_control(own);
    node.datapath.renew_cookies(CookieSecret{});
    const auto message = ControlBuilder::initiation(7, 115).finish(mac1_key(own), nullptr).datagram;
    const auto senders = ControlLimits::initiations + 10;
    std::size_t told = 0;
    std::size_t answered = 0;
    for (std::size_t i = 0; i < senders; ++i) {
        node.receive(message, {ip("198.51.100.7"), static_cast<std::uint16_t>(1024 + i)});
        told += node.events<ControlReceived>().size();
        for (const auto& sent : node.sent()) {
            CHECK(sent.to.port == 1024 + i);
            CHECK(sent.bytes.size() == CookieReply::size);
            ++answered;
        }
    }
    CHECK(told == ControlLimits::initiations);
    CHECK(answered == 10);
    CHECK(node.underlay_drops(Drop::cookie_demanded) == 10);
    CHECK(node.held() == 0);
}

TEST_CASE("a control datagram of this side's goes out as it is, unless there is no buffer for it") {
    PeerNode node;
    node.datapath.send_control(elsewhere, Bytes{0, 0, 0, 0, 1});
    auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].bytes == Bytes{0, 0, 0, 0, 1});
    CHECK(sent[0].to == elsewhere);
    CHECK(sent[0].tunnel == no_port);

    std::vector<Packet> hoard;
    while (Packet packet = node.pool.take()) hoard.push_back(std::move(packet));
    node.datapath.send_control(elsewhere, Bytes{0, 0, 0, 0, 1});
    CHECK(node.underlay_drops(Drop::no_buffer) == 1);
    CHECK(node.sent().empty());
}

TEST_CASE("packets for a peer without keys wait, in bounds, ask once, and go out in order with the keys") {
    PeerNode node;
    for (std::uint8_t i = 0; i < Peer::max_parked + 4; ++i)
        node.from_port(tun, udp_datagram(here_host, there_host, i));
    CHECK(node.sent().empty());
    CHECK(node.held() == Peer::max_parked);
    CHECK(node.drops(tunnel, Drop::no_session) == 4);
    auto wanted = node.events<PeerReport>();
    REQUIRE(wanted.size() == 1);
    CHECK(wanted[0].activity.session_wanted);

    node.install(0, true);
    const auto sent = node.sent();
    REQUIRE(sent.size() == 1 + Peer::max_parked);
    CHECK(node.far.open(sent[0].bytes).next_header == 59);  // so that the peer may use the keys as well
    for (std::size_t i = 0; i < Peer::max_parked; ++i) {
        CHECK(node.far.open(sent[i + 1].bytes).payload == udp_datagram(here_host, there_host, i, 63));
    }
    CHECK(node.held() == 0);
}

TEST_CASE("packets do not wait for keys when buffers are short") {
    PeerNode node;
    std::vector<Packet> hoard;
    while (node.pool.available() > node.pool.size() / 2) hoard.push_back(node.pool.take());
    node.from_port(tun, datagram_out());
    CHECK(node.drops(tunnel, Drop::no_session) == 1);
    CHECK(node.held() == hoard.size());
}

TEST_CASE("packets that have waited for keys for more than 5 s are dropped and counted") {
    PeerNode node;
    node.from_port(tun, datagram_out());
    node.from_port(tun, datagram_out());
    node.tick(5s);
    CHECK(node.held() == 2);
    CHECK(node.events<PeerReport>().size() == 2);  // asked at once, and again while they wait
    node.tick(1ms);
    CHECK(node.held() == 0);
    CHECK(node.drops(tunnel, Drop::no_session) == 2);
    node.events<PeerReport>();
    node.tick(1s);
    CHECK(node.events<PeerReport>().empty());
}

TEST_CASE("packets that wait for the keys of a peer that is given up are counted") {
    PeerNode node;
    node.from_port(tun, datagram_out());
    node.datapath.retire(peer);
    CHECK(node.held() == 0);
    CHECK(node.drops(tunnel, Drop::no_session) == 1);
}

TEST_CASE("the responder of a handshake seals with the new keys only when it has heard them used") {
    PeerNode node;
    node.install(0, true);
    node.sent();
    node.install(1, false);
    node.from_port(tun, datagram_out());
    auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(spi_of(sent[0]) == 300);

    SaEnd new_far{401, 301};
    node.receive(new_far.seal({}, 59));
    sent = node.sent();
    REQUIRE(sent.size() == 1);  // which tells the initiator that the old keys are not needed any more
    CHECK(new_far.open(sent[0].bytes).next_header == 59);
    node.from_port(tun, datagram_out());
    sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(spi_of(sent[0]) == 301);

    node.receive(node.far.seal(datagram_in(), next_ipv4));  // still under way with the old ones
    CHECK(node.at(tun).size() == 1);
}

TEST_CASE("what waits for a responder's keys goes, when they are heard, where they were heard from") {
    PeerNode node;
    node.from_port(tun, datagram_out());
    node.install(0, false);
    CHECK(node.sent().empty());
    node.receive(node.far.seal({}, 59), elsewhere);
    const auto sent = node.sent();
    REQUIRE(sent.size() == 2);
    for (const Sent& one : sent) CHECK(one.to == elsewhere);
    CHECK(node.held() == 0);

    // Other workers are to know where before they send what waits with them.
    REQUIRE(node.datapath.events().size() >= 2);
    const auto& events = node.datapath.events();
    CHECK(std::holds_alternative<PeerMoved>(events[events.size() - 2]));
    CHECK(std::holds_alternative<SessionConfirmed>(events[events.size() - 1]));
}

TEST_CASE("an old session's packets come out before its successor's, whatever their SPIs and their order") {
    for (const std::uint32_t older : {1U, 2U}) {
        PeerNode node;
        Session session{.id = 7,
                        .outbound = sa_keys(300 + older),
                        .inbound = {},
                        .initiator = true,
                        .established = node.now};
        session.inbound.push_back(sa_keys(400 + older));
        node.datapath.install(peer, session, node.now);
        session.id = 8;
        session.outbound = sa_keys(303 - older);
        session.inbound.clear();
        session.inbound.push_back(sa_keys(403 - older));
        node.datapath.install(peer, session, node.now);

        SaEnd old_far{400 + older, 300 + older};
        SaEnd new_far{403 - older, 303 - older};
        Packets sealed;
        for (std::size_t size = 10; size < 14; ++size)
            sealed.push_back(
                (size < 12 ? old_far : new_far).seal(udp_datagram(there_host, here_host, size), 4));
        std::vector<ReceivedTrain> batch;
        for (const std::size_t i : {3U, 0U, 2U, 1U}) {
            batch.push_back({.bytes = sealed[i],
                             .datagram_size = sealed[i].size(),
                             .from = there,
                             .channel = Channel::esp});
        }
        node.datapath.from_underlay(batch, node.now);
        node.collect();
        const auto out = node.at(tun);
        REQUIRE(out.size() == 4);
        for (std::size_t i = 1; i < out.size(); ++i) CHECK(out[i].size() == out[i - 1].size() + 1);
    }
}

TEST_CASE("late packets of an old session are taken while it drains, and refused after") {
    PeerNode node;
    node.install(0, true);
    node.install(1, true);
    SaEnd new_far{401, 301};
    node.now += 60s;
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.at(tun).size() == 1);
    node.now += 6s;  // the peer may not have the new keys yet: nothing drains
    node.tick();
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.at(tun).size() == 1);

    node.receive(new_far.seal(datagram_in(), next_ipv4));
    node.at(tun);
    const Bytes late = node.far.seal(datagram_in(), next_ipv4);
    const Bytes later = node.far.seal(datagram_in(), next_ipv4);
    const Bytes too_late = node.far.seal(datagram_in(), next_ipv4);
    node.tick(4s);
    node.receive(new_far.seal(datagram_in(), next_ipv4));
    node.receive(late);
    node.tick(4s);  // a worker of the peer's that is late itself keeps the session
    node.receive(later);
    CHECK(node.at(tun).size() == 3);
    node.tick(5s);
    CHECK(node.topology().peers().find(peer)->previous == nullptr);
    node.receive(too_late);
    CHECK(node.at(tun).empty());
    CHECK(node.underlay_drops(Drop::unknown_spi) == 1);
}

TEST_CASE("with other workers beside it an initiator waits until all have the keys") {
    PeerNode node;
    node.datapath.announce_learned();
    node.install(0, true);
    node.from_port(tun, datagram_out());
    CHECK(node.sent().empty());
    node.datapath.use(peer, 7, node.now);  // of another session
    CHECK(node.sent().empty());
    node.events<SessionConfirmed>();
    node.datapath.use(peer, 0, node.now);
    CHECK(node.sent().size() == 2);  // a dummy, and what waited
    CHECK(node.events<SessionConfirmed>().size() == 1);

    node.install(1, true);
    node.from_port(tun, datagram_out());
    auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(spi_of(sent[0]) == 300);
    node.datapath.tell(SessionConfirmed{peer, 1}, node.now);
    node.from_port(tun, datagram_out());
    sent = node.sent();
    REQUIRE(sent.size() == 2);
    for (const Sent& one : sent) CHECK(spi_of(one) == 301);
}

TEST_CASE("an SA that is running out is reported, and what it must not seal any more waits for the next") {
    PeerNode node;
    node.install(0, true);
    OutboundSa& sa = node.topology().peers().find(peer)->current->outbound;
    sa = OutboundSa{sa_keys(300), 1, OutboundSa::max_packets, 65'535 + 1000};
    const auto running_out = [&] {
        node.tick();
        const auto reports = node.events<PeerReport>();
        return !reports.empty() && reports.back().activity.running_out;
    };
    node.sent();
    node.from_port(tun, datagram_out());
    CHECK_FALSE(running_out());
    for (int i = 0; i < 20; ++i) node.from_port(tun, datagram_out());
    CHECK(running_out());
    CHECK(sa.exhausted());
    CHECK(node.held() > 0);
    node.sent();
    node.install(1, true);
    CHECK(node.sent().size() > 1);
    CHECK(node.held() == 0);
}

TEST_CASE("a peer's window is as wide as it was asked for") {
    for (const std::size_t size : {64U, 1024U}) {
        PeerNode node;
        node.topology().remove_peer(peer);
        node.topology().add_peer(peer, tunnel,
                                 {.endpoint = there,
                                  .prefixes = {prefix("10.2.0.0/24")},
                                  .routed_mtu = 1438,
                                  .liveness = {},
                                  .replay_window = size});
        node.install(0, true);
        Packets sealed;
        for (std::size_t i = 0; i <= size; ++i) sealed.push_back(node.far.seal(datagram_in(), next_ipv4));
        node.receive(sealed.back());
        node.receive(sealed[1]);
        CHECK(node.at(tun).size() == 2);
        node.receive(sealed[0]);
        CHECK(node.at(tun).empty());
        CHECK(node.drops(tunnel, Drop::too_old) + node.drops(tunnel, Drop::auth_failed) == 1);
    }
}

TEST_CASE("manual keys go on with what was received before: nothing of it comes in again") {
    constexpr std::uint64_t two_32 = std::uint64_t{1} << 32U;
    for (const std::uint64_t highest : {std::uint64_t{5}, two_32 - 3, 5 * two_32 + 7}) {
        CAPTURE(highest);
        PeerNode node;
        node.datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 1, 1000, highest}, node.now);
        CHECK(node.datapath.highest_received(peer) == highest);
        SaEnd far{400, 300, highest - 3};
        for (int i = 0; i < 10; ++i) node.receive(far.seal(datagram_in(), next_ipv4));
        CHECK(node.at(tun).size() == 6);
        CHECK(node.datapath.highest_received(peer) == highest + 6);
        CHECK(node.drops(tunnel, Drop::replayed) + node.drops(tunnel, Drop::too_old) == 4);
        node.tick();
        const auto reports = node.events<PeerReport>();
        REQUIRE_FALSE(reports.empty());
        CHECK(reports.back().activity.highest_received == highest + 6);
    }
}

TEST_CASE("a third session replaces the first, whose packets are unknown then") {
    PeerNode node;
    node.install(0, true);
    node.install(1, true);
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.at(tun).size() == 1);
    node.install(2, true);
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.underlay_drops(Drop::unknown_spi) == 1);
    node.receive(SaEnd(401, 301).seal(datagram_in(), next_ipv4));
    node.receive(SaEnd(402, 302).seal(datagram_in(), next_ipv4));
    CHECK(node.at(tun).size() == 2);
}

TEST_CASE("a session ends after 180 s in both directions, a manual one never") {
    for (const bool manual : {false, true}) {
        CAPTURE(manual);
        PeerNode node;
        if (manual) {
            node.install_manual();
        } else {
            node.install(0, true);
        }
        node.sent();
        node.now += 180s - 1ns;
        node.from_port(tun, datagram_out());
        node.receive(node.far.seal(datagram_in(), next_ipv4));
        CHECK(node.sent().size() == 1);
        CHECK(node.at(tun).size() == 1);

        node.now += 1ns;
        node.from_port(tun, datagram_out());
        node.receive(node.far.seal(datagram_in(), next_ipv4));
        CHECK(node.sent().size() == (manual ? 1 : 0));
        CHECK(node.at(tun).size() == (manual ? 1 : 0));
        CHECK(node.held() == (manual ? 0 : 1));
        CHECK(node.underlay_drops(Drop::unknown_spi) == (manual ? 0 : 1));
        node.tick();
        CHECK((node.topology().peers().find(peer)->current != nullptr) == manual);
    }
}

TEST_CASE("a manual SA that has used up its reserved numbers waits for more") {
    PeerNode node;
    node.datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 7, 8}, node.now);
    for (int i = 0; i < 3; ++i) node.from_port(tun, datagram_out());
    auto sent = node.sent();
    REQUIRE(sent.size() == 2);
    CHECK(node.far.open(sent[0].bytes).sequence == 7);
    CHECK(node.held() == 1);
    node.datapath.raise_limit(peer, 20);
    node.collect();
    CHECK(node.held() == 0);
    node.from_port(tun, datagram_out());
    sent = node.sent();
    REQUIRE(sent.size() == 2);
    CHECK(node.far.open(sent[0].bytes).sequence == 9);
}

TEST_CASE("manual keys that are installed anew are still found after the old ones are forgotten") {
    PeerNode node;
    node.install_manual();
    node.datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 100, 1000}, node.now);
    node.datapath.install_manual(peer, {sa_keys(300), sa_keys(400), 200, 1000}, node.now);
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.at(tun).size() == 1);
    CHECK(node.underlay_drops(Drop::unknown_spi) == 0);
}

TEST_CASE("the endpoint follows the newest authentic packet, neither a replay nor an older one") {
    PeerNode node;
    node.install_manual();
    const Bytes first = node.far.seal(datagram_in(), next_ipv4);
    const Bytes second = node.far.seal(datagram_in(), next_ipv4);
    const Bytes third = node.far.seal(datagram_in(), next_ipv4);
    Bytes forged = node.far.seal(datagram_in(), next_ipv4);
    forged.back() ^= 1U;

    node.receive(second, elsewhere);
    CHECK(endpoint_of(node) == elsewhere);
    const auto moved = node.events<PeerMoved>();
    REQUIRE(moved.size() == 1);
    CHECK(moved[0].endpoint == elsewhere);

    const Endpoint third_place{ip("203.0.113.9"), 1};
    node.receive(first, third_place);  // late: delivered, but no move
    CHECK(node.at(tun).size() == 2);
    CHECK(endpoint_of(node) == elsewhere);
    node.receive(second, third_place);
    node.receive(forged, third_place);
    CHECK(endpoint_of(node) == elsewhere);
    CHECK(node.events<PeerMoved>().empty());

    node.receive(third, third_place);
    CHECK(endpoint_of(node) == third_place);
    node.from_port(tun, datagram_out());
    CHECK(node.sent().at(0).to == third_place);
}

TEST_CASE("an old session's packets do not move the peer") {
    PeerNode node;
    node.install(0, true);
    node.install(1, true);
    node.receive(node.far.seal(datagram_in(), next_ipv4), elsewhere);
    CHECK(node.at(tun).size() == 1);
    CHECK(endpoint_of(node) == there);
}

TEST_CASE("a peer that still seals with the old keys is told of the new ones, where it is, now and then") {
    PeerNode node;
    node.install(0, true);
    node.install(1, true);
    SaEnd new_far{401, 301};
    node.now += 60s;
    (void)node.sent();
    const auto reminded = [&] {
        node.receive(node.far.seal(datagram_in(), next_ipv4), elsewhere);
        return node.sent();
    };
    const auto sent = reminded();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].to == elsewhere);
    CHECK(new_far.open(sent[0].bytes).next_header == 59);
    CHECK(endpoint_of(node) == there);
    CHECK(reminded().empty());
    node.now += 500ms;
    CHECK(reminded().size() == 1);
    node.receive(new_far.seal({}, 59), elsewhere);
    CHECK(endpoint_of(node) == elsewhere);
    node.now += 500ms;
    (void)node.sent();
    CHECK(reminded().empty());
}

TEST_CASE("with keys but without an endpoint nothing is sent until the peer was heard") {
    PeerNode node{std::nullopt};
    node.install_manual();
    node.from_port(tun, datagram_out());
    CHECK(node.drops(tunnel, Drop::no_endpoint) == 1);
    node.receive(node.far.seal({}, 59), elsewhere);
    node.from_port(tun, datagram_out());
    CHECK(node.sent().at(0).to == elsewhere);
}

TEST_CASE("data that is not answered is acknowledged with a dummy, and dummies are not") {
    PeerNode node;
    node.install_manual();
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    node.tick(1s);
    auto sent = node.sent();
    REQUIRE(sent.size() == 1);
    CHECK(node.far.open(sent[0].bytes).next_header == 59);
    node.receive(node.far.seal({}, 59));
    node.tick(10s);
    CHECK(node.sent().empty());
}

TEST_CASE("a peer from which nothing comes back is reported silent") {
    PeerNode node;
    node.install_manual();
    node.from_port(tun, datagram_out());
    node.tick();
    auto reports = node.events<PeerReport>();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].activity.sent);
    CHECK_FALSE(reports[0].activity.silent);
    CHECK(reports[0].activity.packets_sent == 1);
    node.tick(3s);
    reports = node.events<PeerReport>();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].activity.silent);
    node.receive(node.far.seal({}, 59));
    node.tick();
    reports = node.events<PeerReport>();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].activity.heard);
    CHECK_FALSE(reports[0].activity.silent);
}

TEST_CASE("a keepalive for a peer without keys asks for them; without a buffer it is counted") {
    PeerNode node;
    node.topology().remove_peer(peer);
    node.topology().add_peer(peer, tunnel, {.endpoint = there, .liveness = {.keepalive = 20s}});
    node.tick();
    CHECK(node.sent().empty());
    const auto reports = node.events<PeerReport>();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].activity.session_wanted);

    node.install_manual();
    std::vector<Packet> hoard;
    while (Packet packet = node.pool.take()) hoard.push_back(std::move(packet));
    node.tick(20s);
    CHECK(node.drops(tunnel, Drop::no_buffer) == 1);
    hoard.clear();
    node.tick();
    CHECK(node.sent().size() == 1);
}

TEST_CASE("keys and endpoints of a peer that is gone are ignored") {
    PeerNode node;
    node.topology().remove_peer(peer);
    node.install(0, true);
    node.install_manual();
    node.datapath.raise_limit(peer, 2000);
    node.datapath.set_endpoint(peer, elsewhere);
    node.datapath.retire(peer);
    node.tick();
    CHECK(node.sent().empty());
    CHECK(node.datapath.events().empty());
    node.receive(node.far.seal(datagram_in(), next_ipv4));
    CHECK(node.underlay_drops(Drop::unknown_spi) == 1);
}
