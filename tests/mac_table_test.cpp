#include "vswitch/mac_table.h"

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/mix.h"

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr PortId port_1{1};
constexpr PortId port_2{2};
constexpr PortId port_3{3};
constexpr VlanId vlan_10{10};

Instant at(Duration since_start) {
    return Instant{} + since_start;
}

MacAddress station(std::uint64_t number) {
    MacAddress address{{0x02}};
    for (std::size_t i = 0; i < 5; ++i) address.octets[5 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    return address;
}

MacTable table_of(std::uint32_t entries, std::uint32_t per_port, Duration aging = 300s) {
    MacTable table({.entries = entries, .entries_per_port = per_port, .aging = aging});
    for (const PortId port : {port_1, port_2, port_3}) table.add_port(port);
    return table;
}

// The same table, as stupid as can be: no hash, no lists, every question a scan over everything. It knows
// nothing of chains, so the table that it is compared with must be far too small to fill one.
class NaiveTable {
  public:
    explicit NaiveTable(const MacTable::Limits& limits) : limits_(limits) {}

    [[nodiscard]] PortId lookup(VlanId vlan, const MacAddress& address, Instant now) const {
        const auto found = stations_.find({vlan, address});
        return found == stations_.end() || now - found->second.last_seen > limits_.aging ? no_port
                                                                                         : found->second.port;
    }

    void learn(VlanId vlan, const MacAddress& address, PortId port, Instant now) {
        const Key key{vlan, address};
        const auto found = stations_.find(key);
        if (found != stations_.end() && found->second.port == port) {
            if (now - found->second.last_seen >= std::min<Duration>(1s, limits_.aging / 8))
                touch(key, port, now);
            return;
        }
        if (found != stations_.end()) stations_.erase(found);
        if (count(port) >= limits_.entries_per_port) erase_oldest(port);
        if (stations_.size() >= limits_.entries) erase_oldest(fullest(port));
        touch(key, port, now);
    }

    void expire(Instant now) {
        std::erase_if(stations_,
                      [&](const auto& station) { return now - station.second.last_seen > limits_.aging; });
    }

    void forget_port(PortId port) {
        std::erase_if(stations_, [&](const auto& station) { return station.second.port == port; });
    }

    [[nodiscard]] std::size_t size() const { return stations_.size(); }

    [[nodiscard]] std::size_t count(PortId port) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            stations_, [&](const auto& station) { return station.second.port == port; }));
    }

    [[nodiscard]] auto sorted() const {
        std::vector<std::tuple<VlanId, MacAddress, PortId, Instant>> rows;
        rows.reserve(stations_.size());
        for (const auto& [key, seen] : stations_)
            rows.emplace_back(key.first, key.second, seen.port, seen.last_seen);
        return rows;
    }

  private:
    using Key = std::pair<VlanId, MacAddress>;

    struct Seen {
        PortId port;
        Instant last_seen;
        std::uint64_t order = 0;  // among those of the same instant
    };

    void touch(const Key& key, PortId port, Instant now) { stations_[key] = {port, now, ++order_}; }

    [[nodiscard]] PortId fullest(PortId favored) const {
        PortId best = favored;
        for (std::uint16_t id = 0; id < 16; ++id) {
            if (count(PortId{id}) > count(best)) best = PortId{id};
        }
        return best;
    }

    void erase_oldest(PortId port) {
        auto oldest = stations_.end();
        for (auto i = stations_.begin(); i != stations_.end(); ++i) {
            if (i->second.port != port) continue;
            if (oldest == stations_.end() || i->second.order < oldest->second.order) oldest = i;
        }
        stations_.erase(oldest);
    }

    MacTable::Limits limits_;
    std::map<Key, Seen> stations_;
    std::uint64_t order_ = 0;
};

auto sorted(const MacTable& table) {
    std::vector<std::tuple<VlanId, MacAddress, PortId, Instant>> rows;
    for (const MacEntry& entry : table.entries())
        rows.emplace_back(entry.vlan, entry.mac, entry.port, entry.last_seen);
    std::ranges::sort(rows);
    return rows;
}

}  // namespace

TEST_CASE("a learned station is found on its port, in its VLAN only") {
    MacTable table = table_of(16, 16);
    CHECK(table.lookup(vlan_10, station(1), at(0s)) == no_port);
    table.learn(vlan_10, station(1), port_1, at(0s));
    CHECK(table.lookup(vlan_10, station(1), at(0s)) == port_1);
    CHECK(table.lookup(untagged, station(1), at(0s)) == no_port);
    CHECK(table.lookup(vlan_10, station(2), at(0s)) == no_port);

    table.learn(untagged, station(1), port_2, at(0s));
    CHECK(table.lookup(vlan_10, station(1), at(0s)) == port_1);
    CHECK(table.lookup(untagged, station(1), at(0s)) == port_2);
    CHECK(table.size() == 2);
}

TEST_CASE("a moved station is relearned on its new port") {
    MacTable table = table_of(16, 16);
    table.learn(untagged, station(1), port_1, at(0s));
    table.learn(untagged, station(1), port_2, at(1ms));
    CHECK(table.lookup(untagged, station(1), at(1ms)) == port_2);
    CHECK(table.size() == 1);
    CHECK(table.size(port_1) == 0);
    CHECK(table.size(port_2) == 1);
}

TEST_CASE("a silent station ages out, a talking one does not") {
    MacTable table = table_of(16, 16, 300s);
    table.learn(untagged, station(1), port_1, at(0s));
    table.learn(untagged, station(2), port_1, at(0s));
    table.learn(untagged, station(2), port_1, at(200s));
    CHECK(table.lookup(untagged, station(1), at(300s)) == port_1);
    CHECK(table.lookup(untagged, station(1), at(300s + 1ns)) == no_port);
    CHECK(table.lookup(untagged, station(2), at(500s)) == port_1);

    CHECK(table.size() == 2);
    table.expire(at(301s));
    CHECK(table.size() == 1);
    table.learn(untagged, station(1), port_2, at(302s));
    CHECK(table.lookup(untagged, station(1), at(302s)) == port_2);
}

TEST_CASE("a station that talks all the time is remembered to the second") {
    MacTable table = table_of(16, 16, 300s);
    for (auto now = 0ms; now <= 10'000ms; now += 1ms) table.learn(untagged, station(1), port_1, at(now));
    REQUIRE(table.entries().size() == 1);
    CHECK(table.entries()[0].last_seen == at(10s));
    for (auto now = 10'001ms; now < 11'000ms; now += 1ms) table.learn(untagged, station(1), port_1, at(now));
    CHECK(table.entries()[0].last_seen == at(10s));
}

TEST_CASE("a removed port takes its stations with it") {
    MacTable table = table_of(64, 64);
    for (unsigned i = 0; i < 20; ++i) table.learn(untagged, station(i), i % 2 == 0 ? port_1 : port_2, at(0s));
    table.forget_port(port_1);
    CHECK(table.size() == 10);
    for (unsigned i = 0; i < 20; ++i) {
        CHECK(table.lookup(untagged, station(i), at(0s)) == (i % 2 == 0 ? no_port : port_2));
    }
    table.forget_port(PortId{999});
    CHECK(table.size() == 10);
}

TEST_CASE("nothing is learned on a port that was never added") {
    MacTable table = table_of(16, 16);
    table.learn(untagged, station(1), PortId{99}, at(0s));
    table.learn(untagged, station(1), no_port, at(0s));
    CHECK(table.size() == 0);
}

TEST_CASE("a port at its limit loses its own oldest station") {
    MacTable table = table_of(16, 3);
    table.learn(untagged, station(9), port_2, at(0s));
    for (unsigned i = 0; i < 4; ++i)
        table.learn(untagged, station(i), port_1, at(std::chrono::seconds{i + 1}));
    CHECK(table.lookup(untagged, station(0), at(4s)) == no_port);
    for (unsigned i = 1; i < 4; ++i) CHECK(table.lookup(untagged, station(i), at(4s)) == port_1);
    CHECK(table.lookup(untagged, station(9), at(4s)) == port_2);

    table.learn(untagged, station(9), port_1, at(5s));  // a move, too, needs room
    CHECK(table.size(port_1) == 3);
    CHECK(table.lookup(untagged, station(1), at(5s)) == no_port);
    CHECK(table.lookup(untagged, station(9), at(5s)) == port_1);
}

TEST_CASE("a full table takes from the port that has the most") {
    MacTable table = table_of(10, 10);
    for (unsigned i = 0; i < 7; ++i) table.learn(untagged, station(i), port_1, at(0s));
    for (unsigned i = 10; i < 13; ++i) table.learn(untagged, station(i), port_2, at(0s));
    table.learn(untagged, station(20), port_3, at(1s));
    CHECK(table.size() == 10);
    CHECK(table.size(port_1) == 6);
    CHECK(table.size(port_2) == 3);
    CHECK(table.size(port_3) == 1);
    CHECK(table.lookup(untagged, station(0), at(1s)) == no_port);
}

TEST_CASE("limits of zero are taken as one") {
    MacTable table = table_of(0, 0);
    table.learn(untagged, station(1), port_1, at(0s));
    table.learn(untagged, station(2), port_2, at(0s));
    CHECK(table.size() == 1);
    CHECK(table.lookup(untagged, station(2), at(0s)) == port_2);
}

TEST_CASE("expiry frees a bounded number a call and comes to every port") {
    constexpr std::uint32_t stations = MacTable::expired_per_call * 5 / 2;
    MacTable table = table_of(stations, stations);
    for (unsigned i = 0; i < stations; ++i)
        table.learn(untagged, station(i), i % 2 == 0 ? port_1 : port_3, at(0s));
    table.expire(at(301s));
    CHECK(table.size() == stations - MacTable::expired_per_call);
    table.expire(at(301s));
    table.expire(at(301s));
    CHECK(table.size() == 0);
}

TEST_CASE("a flood of source addresses evicts no station of another port") {
    constexpr unsigned victims = 1000;

    struct Row {
        std::uint32_t entries;
        std::uint32_t per_port;
    };

    for (const Row& row : {Row{8192, 4096}, Row{8192, 8192}, Row{2048, 1u << 20}}) {
        CAPTURE(row.entries);
        CAPTURE(row.per_port);
        MacTable table = table_of(row.entries, row.per_port);
        for (unsigned i = 0; i < victims; ++i)
            table.learn(untagged, station(i), i % 2 == 0 ? port_1 : port_2, at(0s));

        std::mt19937_64 random(8021);
        constexpr unsigned frames = 1'000'000;
        for (unsigned i = 0; i < frames; ++i) {
            const MacAddress source = station(1U << 30U | (random() & 0xFFFF'FFFFU));
            const Instant now = at(std::chrono::microseconds{i});
            table.learn(untagged, source, port_3, now);
            REQUIRE(table.lookup(untagged, source, now) == port_3);
            const unsigned victim = i % victims;
            REQUIRE(table.lookup(untagged, station(victim), now) == (victim % 2 == 0 ? port_1 : port_2));
        }
        CHECK(table.size(port_1) + table.size(port_2) == victims);
        CHECK(table.size(port_3) == std::min(row.per_port, row.entries - victims));
    }
}

TEST_CASE("addresses chosen to share a bucket neither slow the table down nor evict others") {
    constexpr std::uint32_t entries = 1024;
    constexpr std::uint64_t buckets = 2048;
    MacTable table = table_of(entries, entries);
    const std::uint64_t bucket = mix(station(1).to_uint64()) % buckets;
    for (unsigned i = 10; i < 20; ++i) table.learn(untagged, station(i), port_1, at(0s));
    table.learn(untagged, station(1), port_1, at(0s));

    unsigned colliding = 0;
    for (std::uint64_t i = 1000; colliding < 40 * MacTable::max_chain; ++i) {
        if (mix(station(i).to_uint64()) % buckets != bucket) continue;
        ++colliding;
        table.learn(untagged, station(i), port_2, at(std::chrono::milliseconds{colliding}));
        REQUIRE(table.lookup(untagged, station(i), at(1s)) == port_2);
        REQUIRE(table.size(port_2) <= MacTable::max_chain);
        REQUIRE(table.lookup(untagged, station(1), at(1s)) == port_1);
    }
    CHECK(table.size(port_1) == 11);
    CHECK(table.size(port_2) == MacTable::max_chain - 1);
}

TEST_CASE("the table behaves as a map that is scanned from end to end") {
    struct Row {
        MacTable::Limits limits;
        unsigned stations = 0;
        std::uint16_t ports = 0;
    };

    const Row rows[] = {
        {{.entries = 64, .entries_per_port = 64, .aging = 300s}, 40, 4},   // all fit
        {{.entries = 32, .entries_per_port = 12, .aging = 300s}, 100, 4},  // both limits
        {{.entries = 24, .entries_per_port = 100, .aging = 60s}, 200, 8},  // full most of the time
        {{.entries = 7, .entries_per_port = 3, .aging = 2s}, 12, 3},
        {{.entries = 1, .entries_per_port = 1, .aging = 5s}, 3, 2},
    };
    std::mt19937 random(20031);
    for (const Row& row : rows) {
        CAPTURE(row.limits.entries);
        MacTable table(row.limits);
        NaiveTable naive(row.limits);
        for (std::uint16_t id = 0; id < row.ports; ++id) table.add_port(PortId{id});

        Instant now = at(0s);
        for (int step = 0; step < 20000; ++step) {
            now += std::chrono::milliseconds{random() % 200};
            const MacAddress address = station(random() % row.stations);
            const VlanId vlan{static_cast<std::uint16_t>(random() % 2)};
            const PortId port{static_cast<std::uint16_t>(random() % row.ports)};
            const auto action = random() % 1000;
            if (action < 700) {
                table.learn(vlan, address, port, now);
                naive.learn(vlan, address, port, now);
            } else if (action < 990) {
                REQUIRE(table.lookup(vlan, address, now) == naive.lookup(vlan, address, now));
            } else if (action < 997) {
                table.expire(now);
                naive.expire(now);
            } else if (action < 999) {
                table.forget_port(port);
                naive.forget_port(port);
            } else {
                now += row.limits.aging / 2;
            }
            REQUIRE(table.size() == naive.size());
            REQUIRE(table.size(port) == naive.count(port));
            if (step % 50 == 0) REQUIRE(sorted(table) == naive.sorted());
        }
    }
}

TEST_CASE("a station is news when it is new, when it has moved, and once in a quarter of the ageing time") {
    MacTable table = table_of(8, 8, 400s);
    const auto learn = [&](PortId port, Duration when) {
        return table.learn(vlan_10, station(1), port, at(when));
    };
    CHECK(learn(port_1, 10s));
    CHECK_FALSE(learn(port_1, 10s));
    CHECK_FALSE(learn(port_1, 99s));
    CHECK(learn(port_1, 101s));
    CHECK_FALSE(learn(port_1, 150s));
    CHECK(learn(port_2, 150s));
    CHECK_FALSE(learn(port_2, 199s));
    CHECK(learn(port_2, 450s));
    CHECK_FALSE(table.learn(vlan_10, station(2), PortId{9}, at(450s)));  // not a port of the table
}
