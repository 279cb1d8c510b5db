#include "vswitch/flow_table.h"

#include <map>
#include <random>
#include <tuple>

#include <doctest/doctest.h>

#include "tests/support/carrier.h"
#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId left{1};
constexpr PortId right{2};
constexpr PortId elsewhere{3};
constexpr BridgeId lan{0};
const MacAddress a = mac("02:00:00:00:00:0a");
const MacAddress b = mac("02:00:00:00:00:0b");

struct Frame {
    Bytes bytes;
    Classified what;

    explicit Frame(Bytes built) : bytes(std::move(built)), what(*classify_frame(bytes, untagged)) {}

    static Frame udp(std::uint16_t port, bool back = false) {
        auto builder = back ? PacketBuilder().ethernet(a, b).ip(ip("10.0.0.2"), ip("10.0.0.1")).udp(53, port)
                            : PacketBuilder().ethernet(b, a).ip(ip("10.0.0.1"), ip("10.0.0.2")).udp(port, 53);
        return Frame{builder.payload(32).build()};
    }

    static Frame tcp(std::uint8_t flags, bool back = false) {
        auto builder =
            back ? PacketBuilder().ethernet(a, b).ip(ip("10.0.0.2"), ip("10.0.0.1")).tcp(80, 1000, flags)
                 : PacketBuilder().ethernet(b, a).ip(ip("10.0.0.1"), ip("10.0.0.2")).tcp(1000, 80, flags);
        return Frame{builder.payload(10).build()};
    }
};

struct Switch {
    Generations generations;
    FlowTable table;
    Instant now{1h};

    explicit Switch(const FlowTable::Limits& limits = {.flows = 1024}) : table(limits) {}

    static FlowTable::Item item(const Frame& frame, PortId in) {
        return {frame.what, frame.bytes, in, lan, FlowTable::hash_of(frame.what.flow, in, lan)};
    }

    PortId pass(const Frame& frame, PortId in) { return table.pass(item(frame, in), generations, now); }

    void decide(const Frame& frame, PortId in, PortId out, std::uint16_t mtu = 0) {
        const auto stamp = generations.stamp(
            {Generations::of(in), Generations::of(out), Generations::of(lan), Generations::never});
        table.decided(item(frame, in), {out, stamp, now + 1s, mtu}, now);
    }

    [[nodiscard]] Flow only(PortId in) const {
        for (const Flow& flow : table.busiest(100))
            if (flow.in == in) return flow;
        FAIL("no such flow");
        return {};
    }
};

}  // namespace

TEST_CASE("a verdict is remembered for the packets of the same flow that come by the same port") {
    Switch s;
    CHECK(s.pass(Frame::udp(1), left) == no_port);
    s.decide(Frame::udp(1), left, right);
    CHECK(s.pass(Frame::udp(1), left) == right);
    CHECK(s.pass(Frame::udp(2), left) == no_port);
    CHECK(s.pass(Frame::udp(1), elsewhere) == no_port);
    CHECK(s.table.size() == 1);
    CHECK(s.only(left).packets == 2);
    CHECK(s.only(left).bytes == 2 * Frame::udp(1).bytes.size());
}

TEST_CASE("a verdict does not hold once anything that it was made from has changed, or its time is over") {
    for (const auto raised : {Generations::of(left), Generations::of(right), Generations::of(lan)}) {
        Switch s;
        s.decide(Frame::udp(1), left, right);
        s.generations.raise(Generations::of(elsewhere));
        s.generations.raise(Generations::policy);
        CHECK(s.pass(Frame::udp(1), left) == right);
        s.generations.raise(raised);
        CHECK(s.pass(Frame::udp(1), left) == no_port);
        s.decide(Frame::udp(1), left, elsewhere);
        CHECK(s.pass(Frame::udp(1), left) == elsewhere);
        s.now += 1s;
        CHECK(s.pass(Frame::udp(1), left) == no_port);
    }
}

TEST_CASE("every port, every bridge and the policy have a number of their own") {
    Generations generations;
    const PortId last{32766};
    const auto stamp = generations.stamp(
        {Generations::of(last), Generations::of(BridgeId{32766}), Generations::policy, Generations::never});
    generations.raise(Generations::of(PortId{0}));
    generations.raise(Generations::of(BridgeId{0}));
    CHECK(generations.holds(stamp));
    generations.raise(Generations::of(last));
    CHECK_FALSE(generations.holds(stamp));
}

TEST_CASE("a flow is established when both directions were seen") {
    Switch s;
    s.decide(Frame::udp(1), left, right);
    CHECK(s.only(left).state == Flow::State::fresh);
    s.decide(Frame::udp(1, true), right, left);
    CHECK(s.only(left).state == Flow::State::established);
    CHECK(s.only(right).state == Flow::State::established);
    SUBCASE("and is not any more when it goes to another port") {
        s.decide(Frame::udp(1), left, elsewhere);
        CHECK(s.only(left).state == Flow::State::fresh);
        CHECK(s.only(right).state == Flow::State::fresh);
        SUBCASE("until that answers") {
            s.decide(Frame::udp(1, true), elsewhere, left);
            CHECK(s.only(left).state == Flow::State::established);
        }
    }
}

TEST_CASE("a TCP connection is established after its handshake, and closing from FIN or RST on") {
    for (const std::uint8_t end : {TcpHeader::fin, TcpHeader::rst}) {
        for (const bool by_responder : {false, true}) {
            Switch s;
            s.decide(Frame::tcp(TcpHeader::syn), left, right);
            s.decide(Frame::tcp(TcpHeader::syn | TcpHeader::ack, true), right, left);
            CHECK(s.only(left).state == Flow::State::fresh);
            CHECK(s.pass(Frame::tcp(TcpHeader::ack), left) == right);
            CHECK(s.only(left).state == Flow::State::fresh);
            CHECK(s.pass(Frame::tcp(TcpHeader::ack, true), right) == left);
            CHECK(s.only(left).state == Flow::State::established);
            CHECK(s.only(right).state == Flow::State::established);
            s.pass(Frame::tcp(end, by_responder), by_responder ? right : left);
            CHECK(s.only(left).state == Flow::State::closing);
            CHECK(s.only(right).state == Flow::State::closing);
            s.pass(Frame::tcp(TcpHeader::ack), left);
            CHECK(s.only(left).state == Flow::State::closing);
            s.pass(Frame::tcp(TcpHeader::syn, by_responder), by_responder ? right : left);
            CHECK(s.only(left).state == Flow::State::fresh);
        }
    }
}

TEST_CASE("what has no ports is not followed, nor is a fragment") {
    CHECK(FlowTable::follows(Frame::udp(1).what));
    CHECK(FlowTable::follows(
        Frame{PacketBuilder().ethernet(b, a).ip(ip("fd00::1"), ip("fd00::2")).tcp(1, 2).build()}.what));
    CHECK_FALSE(FlowTable::follows(
        Frame{PacketBuilder().ethernet(b, a).arp_request(a, ip("10.0.0.1"), ip("10.0.0.2")).build()}.what));
    CHECK_FALSE(FlowTable::follows(Frame{PacketBuilder()
                                             .ethernet(b, a)
                                             .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                                             .fragment(0, true)
                                             .udp(1, 2)
                                             .payload(32)
                                             .build()}
                                       .what));
    CHECK_FALSE(FlowTable::follows(Frame{
        PacketBuilder().ethernet(b, a).ip(ip("10.0.0.1"), ip("10.0.0.2")).protocol(47).payload(32).build()}
                                       .what));
}

TEST_CASE("idle flows are forgotten, and rates are those of the last seconds") {
    Switch s({.flows = 64, .idle = 10s});
    s.decide(Frame::udp(1), left, right);
    s.decide(Frame::udp(2), left, right);
    for (int tenth = 0; tenth < 200; ++tenth) {
        s.now += 100ms;
        s.decide(Frame::udp(1), left, right);
        s.table.sweep(s.generations, s.now);
    }
    CHECK(s.table.size() == 1);
    const double rate = 10.0 * static_cast<double>(Frame::udp(1).bytes.size());
    CHECK(static_cast<double>(s.only(left).bytes_per_second) == doctest::Approx(rate).epsilon(0.1));
    for (int second = 0; second < 20; ++second) s.table.sweep(s.generations, s.now += 1s);
    CHECK(s.table.size() == 0);
}

TEST_CASE("a full table gives a place to a flow's second packet, and never grows") {
    Switch s({.flows = 64});
    for (std::uint16_t port = 1; port <= 64; ++port) s.decide(Frame::udp(port), left, right);
    CHECK(s.table.size() == 64);
    for (std::uint16_t port = 1000; port < 20'000; ++port) s.decide(Frame::udp(port), left, right);
    CHECK(s.table.evicted() < 10);  // marks of 15 bits are the same by chance
    CHECK(s.pass(Frame::udp(64), left) == right);
    s.decide(Frame::udp(30'000), left, right);
    CHECK(s.pass(Frame::udp(30'000), left) == no_port);
    s.decide(Frame::udp(30'000), left, right);
    CHECK(s.pass(Frame::udp(30'000), left) == right);
    CHECK(s.table.size() == 64);
}

TEST_CASE("a flow that talks is not displaced by those that do not") {
    Switch s({.flows = 256});
    s.decide(Frame::udp(1), left, right);
    for (std::uint16_t port = 1000; port < 3000; ++port) {
        for (int twice = 0; twice < 2; ++twice) s.decide(Frame::udp(port), left, right);
        REQUIRE(s.pass(Frame::udp(1), left) == right);
    }
    CHECK(s.table.evicted() > 1500);
}

TEST_CASE("it knows what a map would know, whatever comes") {
    std::mt19937 random{7};
    Switch s({.flows = 16384, .idle = 1h});

    struct Known {
        PortId out;
        Generations::Stamp stamp;
        Instant until;
        Instant seen;
        std::uint64_t packets;
    };

    std::map<std::tuple<std::uint16_t, bool, PortId>, Known> model;
    for (int step = 0; step < 50'000; ++step) {
        const auto port = static_cast<std::uint16_t>(1 + random() % 300);
        const bool back = random() % 2 == 0;
        const PortId in{static_cast<std::uint16_t>(random() % 4)};
        const PortId out{static_cast<std::uint16_t>(random() % 4)};
        const Frame frame = Frame::udp(port, back);
        const auto found = model.find({port, back, in});
        const bool holds =
            found != model.end() && s.now < found->second.until && s.generations.holds(found->second.stamp);
        const PortId passed = s.pass(frame, in);
        REQUIRE(passed == (holds ? found->second.out : no_port));
        if (holds) {
            ++found->second.packets;
            found->second.seen = s.now;
        } else {
            s.decide(frame, in, out);
            Known& known = model[{port, back, in}];
            known = {out,
                     s.generations.stamp({Generations::of(in), Generations::of(out), Generations::of(lan),
                                          Generations::never}),
                     s.now + 1s, s.now, known.packets + 1};
        }
        if (random() % 50 == 0)
            s.generations.raise(Generations::of(PortId{static_cast<std::uint16_t>(random() % 4)}));
        if (random() % 10 == 0) {
            s.now += 10ms;
            s.table.sweep(s.generations, s.now);
        }
    }
    std::uint64_t packets = 0;
    std::uint64_t expected = 0;
    for (const Flow& flow : s.table.busiest(10'000)) packets += flow.packets;
    for (const auto& [key, known] : model) expected += known.packets;
    CHECK(s.table.size() == model.size());
    CHECK(packets == expected);
}

// ---- Offload -------------------------------------------------------------------------------------

namespace {

struct Offloading : Switch {
    Carrier carrier;

    explicit Offloading(const FlowTable::Limits& limits = {.flows = 1024}, std::uint32_t per_second = 1000)
        : Switch(limits) {
        table.offload_to(&carrier, {.after_packets = 32, .per_second = per_second});
    }

    ~Offloading() { table.offload_to(nullptr, {}); }

    void see(const Frame& frame, PortId in, PortId out, int times, std::uint16_t mtu = 1500) {
        for (int i = 0; i < times; ++i)
            if (pass(frame, in) == no_port) decide(frame, in, out, mtu);
    }

    // One each way, and enough of them.
    void establish(std::uint16_t port) {
        see(Frame::udp(port, true), right, left, 1);
        see(Frame::udp(port), left, right, 32);
        see(Frame::udp(port, true), right, left, 31);
    }
};

}  // namespace

TEST_CASE("an established flow is offloaded after some packets, with what its verdict depends on") {
    Offloading s;
    s.see(Frame::udp(1), left, right, 64);
    CHECK(s.carrier.flows.empty());
    s.see(Frame::udp(1, true), right, left, 31);
    CHECK(s.carrier.flows.empty());
    s.see(Frame::udp(1, true), right, left, 1);
    REQUIRE(s.carrier.flows.size() == 1);
    const auto& [slot, flow] = *s.carrier.flows.begin();
    CHECK(flow.key == Frame::udp(1, true).what.flow);
    CHECK(flow.in == right);
    CHECK(flow.action.out == left);
    CHECK(flow.action.mtu == 1500);
    CHECK(flow.action.dependencies[0].generation == Generations::of(right));
    CHECK(s.table.offloaded(slot, flow.action.tag, s.generations)->out == left);
    CHECK_FALSE(s.table.offloaded(slot, flow.action.tag + 1, s.generations));
    CHECK(s.only(right).offloaded);
    s.see(Frame::udp(1), left, right, 16);
    CHECK(s.carrier.flows.size() == 2);
    CHECK(s.table.offload_counts().flows == 2);
}

TEST_CASE("a flow whose verdict does not say that others can repeat it is never offloaded") {
    Offloading s;
    s.see(Frame::udp(1, true), right, left, 100, 0);
    s.see(Frame::udp(1), left, right, 100, 0);
    CHECK(s.carrier.flows.empty());
}

TEST_CASE("a flow that is refused is offered again with its next verdict, not before") {
    Offloading s;
    s.carrier.refuses = true;
    s.establish(1);
    s.carrier.refuses = false;
    s.see(Frame::udp(1), left, right, 100);
    CHECK(s.carrier.flows.empty());
    s.now += 1s;
    s.see(Frame::udp(1), left, right, 100);
    CHECK(s.carrier.flows.size() == 1);
}

TEST_CASE("no more flows a second are offloaded than the policy says") {
    Offloading s({.flows = 1024}, 10);
    for (std::uint16_t port = 1; port <= 50; ++port) s.establish(port);
    CHECK(s.carrier.flows.size() == 10);
    CHECK(s.table.offload_counts().put_off == 90);
    s.now += 500ms;
    for (std::uint16_t port = 1; port <= 50; ++port) s.see(Frame::udp(port), left, right, 16);
    CHECK(s.carrier.flows.size() == 15);
}

TEST_CASE("an offloaded flow comes back when its verdict is another one, or void") {
    Offloading s;
    s.establish(1);
    REQUIRE(s.carrier.flows.size() == 2);
    SUBCASE("void: what comes here is decided about again, and it is offloaded with the new numbers") {
        s.generations.raise(Generations::of(left));
        s.see(Frame::udp(1), left, right, 1);
        CHECK(s.carrier.flows.size() == 1);
        s.see(Frame::udp(1), left, right, 15);
        CHECK(s.carrier.flows.size() == 2);
    }
    SUBCASE("another one") {
        s.generations.raise(Generations::of(right));
        s.see(Frame::udp(1), left, elsewhere, 1);
        CHECK(s.carrier.flows.size() == 1);
        s.see(Frame::udp(1), left, elsewhere, 100);
        CHECK(s.carrier.flows.size() == 1);  // it is not established there
    }
    SUBCASE("the same: it stays") {
        s.now += 2s;
        s.see(Frame::udp(1), left, right, 1);
        CHECK(s.carrier.flows.size() == 2);
        CHECK(s.table.offload_counts().withdrawn == 0);
    }
}

TEST_CASE("FIN, RST and SYN take both directions back") {
    for (const std::uint8_t flags : {TcpHeader::fin, TcpHeader::rst, TcpHeader::syn}) {
        for (const bool back : {false, true}) {
            Offloading s;
            s.see(Frame::tcp(TcpHeader::syn), left, right, 1);
            s.see(Frame::tcp(TcpHeader::syn | TcpHeader::ack, true), right, left, 1);
            s.see(Frame::tcp(TcpHeader::ack), left, right, 1);
            s.see(Frame::tcp(TcpHeader::ack, true), right, left, 50);
            s.see(Frame::tcp(TcpHeader::ack), left, right, 50);
            CHECK(s.carrier.flows.size() == 2);
            s.see(Frame::tcp(flags, back), back ? right : left, back ? left : right, 1);
            CHECK(s.carrier.flows.empty());
            s.see(Frame::tcp(flags, back), back ? right : left, back ? left : right, 100);
            CHECK(s.carrier.flows.empty());
        }
    }
}

TEST_CASE("what was carried is counted for its flow, told once, and keeps the flow from being forgotten") {
    Offloading s({.flows = 1024, .idle = 10s});
    s.establish(1);
    const auto before = s.only(left);
    std::uint64_t told = 0;
    for (int second = 1; second <= 30; ++second) {
        s.now += 1s;
        for (auto& [slot, totals] : s.carrier.totals) {
            totals.packets += 100;
            totals.bytes += 10'000;
            totals.last_seen = s.now;
        }
        for (const auto& carried : s.table.sweep(s.generations, s.now))
            if (carried.in == left) told += carried.packets;
    }
    const auto after = s.only(left);
    CHECK(after.packets == before.packets + 3000);
    CHECK(after.bytes == before.bytes + 300'000);
    CHECK(after.bytes_per_second == doctest::Approx(10'000).epsilon(0.1));
    CHECK(told >= 2900);
    CHECK(told <= 3000);
    CHECK(s.table.size() == 2);
    for (int second = 0; second < 20; ++second) (void)s.table.sweep(s.generations, s.now += 1s);
    CHECK(s.table.size() == 0);
    CHECK(s.carrier.flows.empty());
}

TEST_CASE(
    "a carried flow that does not hold any more is taken back by the sweep, with its counts, though no "
    "packet comes") {
    Offloading s;
    s.establish(1);
    REQUIRE(s.carrier.flows.size() == 2);
    for (auto& [slot, totals] : s.carrier.totals) totals = {.packets = 10, .bytes = 1000, .last_seen = s.now};
    s.generations.raise(Generations::of(left));
    std::uint64_t told = 0;
    for (const auto& carried : s.table.sweep(s.generations, s.now += 2s)) told += carried.packets;
    CHECK(told == 20);
    CHECK(s.carrier.flows.empty());
    CHECK(s.table.size() == 2);
}

TEST_CASE("a flow that loses its place is not carried any more") {
    Offloading s({.flows = 64}, 100'000);
    for (std::uint16_t port = 1; port <= 32; ++port) s.establish(port);
    CHECK(s.carrier.flows.size() == 64);
    for (std::uint16_t port = 1000; port < 1200; ++port) s.see(Frame::udp(port), left, right, 2);
    CHECK(s.table.size() == 64);
    CHECK(s.carrier.flows.size() == s.table.offload_counts().flows);
    CHECK(s.carrier.flows.size() < 30);
}

// ---- Routed flows --------------------------------------------------------------------------------

namespace {

constexpr PortId red_leg{4};
constexpr PortId blue_leg{5};
const MacAddress red_gateway = mac("02:00:00:00:ff:01");
const MacAddress blue_gateway = mac("02:00:00:00:ff:02");

struct Datagram {
    Bytes bytes;
    Classified what;

    explicit Datagram(bool back)
        : bytes(PacketBuilder()
                    .ip(back ? ip("10.2.0.2") : ip("10.1.0.1"), back ? ip("10.1.0.1") : ip("10.2.0.2"))
                    .udp(back ? 53 : 1000, back ? 1000 : 53)
                    .payload(32)
                    .build()),
          what(*classify_datagram(bytes)) {}
};

// Between `a` at the left and `b` at the right, in another network.
struct Routing : Offloading {
    Routing() { meet(); }

    static FlowTable::Item item(const Datagram& datagram, bool back) {
        const PortId in = back ? blue_leg : red_leg;
        return {datagram.what, datagram.bytes, in, Flow::routed,
                FlowTable::hash_of(datagram.what.flow, in, Flow::routed)};
    }

    [[nodiscard]] FlowTable::Passage passage(bool back) const {
        const auto on = back ? std::array{Generations::of(right), Generations::policy,
                                          Generations::of(red_leg), Generations::of(left)}
                             : std::array{Generations::of(left), Generations::policy,
                                          Generations::of(blue_leg), Generations::of(right)};
        FlowTable::Passage passage{
            .from = back ? right : left,
            .station = back ? b : a,
            .gateway = back ? blue_gateway : red_gateway,
            .to = back ? left : right,
            .rewrite = back ? FlowOffload::Rewrite{a, red_gateway} : FlowOffload::Rewrite{b, blue_gateway},
            .mtu = 1400,
            .stamp = generations.stamp(on)};
        if (!back) passage.vni_to = 7;
        return passage;
    }

    void route(bool back, int times) { route(back, times, passage(back)); }

    void route(bool back, int times, const FlowTable::Passage& by) {
        const Datagram datagram{back};
        for (int i = 0; i < times; ++i)
            table.went(table.routed(item(datagram, back), back ? red_leg : blue_leg, now), by, generations,
                       now);
    }

    void meet() { route(true, 1); }

    void establish() {
        route(false, 32);
        route(true, 31);
    }
};

}  // namespace

TEST_CASE("a routed flow is given away as it comes in at its device, with all that is done to it") {
    Routing s;
    s.route(false, 31);
    CHECK(s.carrier.flows.empty());
    s.route(false, 1);
    REQUIRE(s.carrier.flows.size() == 1);
    const auto& [slot, flow] = *s.carrier.flows.begin();
    FlowKey key = Datagram{false}.what.flow;
    key.source_mac = a;
    key.destination_mac = red_gateway;
    CHECK(flow.key == key);
    CHECK(flow.in == left);
    CHECK(flow.action.out == right);
    CHECK(flow.action.mtu == 1400);
    CHECK(flow.action.rewrite == FlowOffload::Rewrite{b, blue_gateway});
    CHECK_FALSE(flow.action.vni_in);
    CHECK(flow.action.vni_out == Vni{7});
    CHECK(flow.action.source_port >= 49152);
    CHECK(s.carrier.holds(s.generations));
    s.route(true, 31);
    CHECK(s.carrier.flows.size() == 2);
    const auto shown = s.table.offloaded(slot, flow.action.tag, s.generations);
    REQUIRE(shown);
    CHECK(shown->in == red_leg);
    CHECK(shown->out == blue_leg);
    CHECK(shown->passage == s.passage(false));
    s.generations.raise(Generations::of(blue_leg));
    CHECK_FALSE(s.table.offloaded(slot, flow.action.tag, s.generations));
}

TEST_CASE("a routed flow that goes another way is taken back at once, and given away anew") {
    Routing s;
    s.establish();
    REQUIRE(s.carrier.flows.size() == 2);
    auto other = s.passage(false);
    SUBCASE("to another port") {
        other.to = elsewhere;
    }
    SUBCASE("to another address") {
        other.rewrite.destination = a;
    }
    SUBCASE("from another station") {
        other.station = b;
    }
    SUBCASE("with another MTU") {
        other.mtu = 1300;
    }
    SUBCASE("by other numbers") {
        s.generations.raise(Generations::policy);
        other = s.passage(false);
    }
    s.route(false, 1, other);
    CHECK(s.carrier.from(left) == nullptr);
    CHECK(s.carrier.from(right) != nullptr);
    s.route(false, 15, other);
    REQUIRE(s.carrier.from(left) != nullptr);
    CHECK(s.carrier.from(left)->action.out == other.to);
    CHECK(s.carrier.from(left)->action.mtu == other.mtu);
    CHECK(s.carrier.from(left)->action.rewrite == other.rewrite);
    CHECK(s.carrier.holds(s.generations, left));
}

TEST_CASE("a routed flow that goes by another of the router's ports is established anew") {
    Routing s;
    s.establish();
    const Datagram datagram{false};
    (void)s.table.routed(Routing::item(datagram, false), elsewhere, s.now);
    CHECK(s.carrier.from(left) == nullptr);
    for (int i = 0; i < 100; ++i)
        s.table.went(s.table.routed(Routing::item(datagram, false), elsewhere, s.now), s.passage(false),
                     s.generations, s.now);
    CHECK(s.carrier.from(left) == nullptr);
    s.route(false, 32);
    CHECK(s.carrier.from(left) != nullptr);
}

TEST_CASE(
    "a routed flow that is refused, or whose numbers have changed meanwhile, is offered by its next way") {
    Routing s;
    s.carrier.refuses = true;
    s.route(false, 32);
    s.carrier.refuses = false;
    s.route(false, 100);
    CHECK(s.carrier.flows.empty());
    s.generations.raise(Generations::policy);
    s.route(false, 100);
    CHECK(s.carrier.flows.size() == 1);
    SUBCASE("not with numbers of before") {
        const auto before = s.passage(false);
        s.generations.raise(Generations::policy);
        s.generations.raise(Generations::of(right));
        auto old = before;
        old.mtu = 1000;
        s.route(false, 100, old);
        CHECK(s.carrier.flows.empty());
    }
}

TEST_CASE("routed flows are kept, but not given away, while there is nobody to give them to") {
    Routing s;
    s.table.offload_to(nullptr, {});
    CHECK_FALSE(s.table.offloads());
    s.establish();
    CHECK(s.table.size() == 2);
    CHECK(s.carrier.flows.empty());
    s.table.offload_to(&s.carrier, {});
    CHECK(s.table.offloads());
    s.route(false, 16);
    CHECK(s.carrier.flows.size() == 1);
}

TEST_CASE("what was carried of a routed flow is told with the way that it took") {
    Routing s;
    s.establish();
    for (auto& [slot, totals] : s.carrier.totals) totals = {.packets = 10, .bytes = 1000, .last_seen = s.now};
    auto other = s.passage(false);
    SUBCASE("while it is carried") {}
    SUBCASE("also when it was taken back for another way") {
        other.to = elsewhere;
        s.route(false, 1, other);
    }
    std::uint64_t told = 0;
    for (const auto& carried : s.table.sweep(s.generations, s.now += 2s)) {
        REQUIRE(carried.passage);
        const bool back = carried.in == blue_leg;
        CHECK(carried.passage == s.passage(back));
        CHECK(carried.out == (back ? red_leg : blue_leg));
        CHECK(carried.bytes == 1000);
        told += carried.packets;
    }
    CHECK(told == 20);
    CHECK(s.table.sweep(s.generations, s.now += 2s).empty());
}
