// Two days of a network in which things go wrong all the time: packets are lost, doubled and overtaken, nodes
// are killed and come back, move to other addresses, and NATs forget them. After each such event every pair
// of the node must hear each other again, both ways, within ten seconds.
//
// Nodes know each other by name, as weftd does: whoever has not heard a peer for a while asks for its name
// each ten seconds, and calls where it is said to be, if that is elsewhere. What a name says follows its node
// after some seconds, as with dynamic DNS. That is what finds two nodes that have both moved before either
// heard the other from its new place, which takes as long as it takes to ask; these are counted apart.
//
// The network: a hub in the first place, whose spokes (the first half of the others) are all behind NATs; the
// second half is a ring with random chords, of which every fifth node is behind a NAT and has no chords.
// Pairs that talk say something each ten seconds, and each second from an event until they have heard each
// other again.
//
// All the while, SealWatch looks at every packet that is sealed. The whole is
// WEFT_DAYS_NODES=500 WEFT_DAYS_HOURS=48 in the release build (minutes); without these it is an hour of a few
// nodes, with more events for each. WEFT_DAYS_SEED gives another run.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/support/packet_builder.h"
#include "tests/support/simulated_network.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId tun{0};
constexpr Duration small_talk = 10s;
constexpr Duration patience = 10s;  // until everybody has to hear each other again
constexpr Duration give_up = 60s;
constexpr Duration ask_interval = 10s;       // for the name of a lost peer, and until it is one
constexpr Duration name_lag = 5s;            // until it says where its node is
constexpr Duration patience_for_lost = 30s;  // of those that only a name can find

// What is said: from whom to whom, and when.
struct Words {
    std::uint32_t from;
    std::uint32_t to;
    std::int64_t when;
};

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

IpAddress host_of(std::size_t index) {
    return IpAddress::v4(
        {10, static_cast<std::uint8_t>(20 + (index >> 8U)), static_cast<std::uint8_t>(index), 2});
}

enum class Kind : std::uint8_t { restart, move, nat_forgets };

constexpr const char* names[] = {"restart", "move", "NAT forgets"};

class TwoDays {
  public:
    TwoDays(std::size_t nodes, Duration length, Duration between_events, std::uint64_t seed)
        : nodes_(nodes),
          length_(length),
          between_events_(between_events),
          moved_(nodes),
          published_(nodes),
          network_(seed, {.loss = 0.05, .duplication = 0.01, .delay = 10ms, .jitter = 40ms}, 500ms),
          peers_(nodes) {
        network_.first_tunnel() = 8;
        join();
        for (std::size_t i = 0; i < nodes; ++i) network_.add_node();
        for (std::size_t i = 0; i < nodes; ++i) {
            Node& node = network_.node(i);
            if (behind_nat(i)) network_.put_behind_nat(node, outside(i));
        }
        for (std::size_t i = 0; i < nodes; ++i) published_[i] = network_.node(i).address();
        for (std::size_t i = 0; i < nodes; ++i) {
            Node& node = network_.node(i);
            node.configure([this, i](Node& self) { configure(self, i); });
            node.on_output = [this](PortId, std::span<const std::uint8_t> bytes) { hear(bytes); };
        }
    }

    void run() {
        for (const auto& [pair, unused] : ways_) {
            begin_small_talk(pair);
            expect(pair, Kind::restart, pair.first);
        }
        schedule_event();
        network_.run_for(length_);
        events_over_ = true;
        network_.run_for(give_up);
    }

    void report() const {
        std::size_t missing = 0;
        for (const auto& [pair, way] : ways_) {
            if (!way.since) continue;
            ++missing;
            MESSAGE(fmt::format(
                "{} -> {} was not heard again after '{}' at {:.3f}; they moved last at {:.3f} and {:.3f}",
                pair.first, pair.second, names[static_cast<int>(way.kind)],
                seconds(way.since->time_since_epoch()), seconds(moved_[pair.first].time_since_epoch()),
                seconds(moved_[pair.second].time_since_epoch())));
        }
        for (const Kind kind : {Kind::restart, Kind::move, Kind::nat_forgets}) {
            const auto found = healed_.find(kind);
            if (found == healed_.end()) continue;
            auto times = found->second;
            std::ranges::sort(times);
            MESSAGE(
                fmt::format("{}: {} events, {} ways heard again; seconds: median {:.2f}, 99 % {:.2f}, "
                            "99.99 % {:.2f}, worst {:.2f}",
                            names[static_cast<int>(kind)], events_.at(kind), times.size(),
                            seconds(times[times.size() / 2]), seconds(times[times.size() * 99 / 100]),
                            seconds(times[times.size() * 9999 / 10000]), seconds(times.back())));
        }
        if (!lost_healed_.empty()) {
            auto times = lost_healed_;
            std::ranges::sort(times);
            MESSAGE(fmt::format(
                "both had moved: {} ways found again by name; seconds: median {:.2f}, worst {:.2f}",
                times.size(), seconds(times[times.size() / 2]), seconds(times.back())));
        }
        for (const std::string& line : slow_) MESSAGE(line);
        if (slow_ways_ > slow_.size()) MESSAGE(fmt::format("and {} more", slow_ways_ - slow_.size()));
        const SealWatch& seals = network_.seals();
        MESSAGE(fmt::format(
            "{} nodes, {} pairs, {:.1f} h: {} datagrams delivered, {} packets sealed, {} keys; nonces "
            "used twice {}, unknown keys used {}, keys that came twice {}, oldest key used {:.2f} s; "
            "of the small talk {:.2f} % heard; ways not heard again {}",
            nodes_, ways_.size() / 2, seconds(length_) / 3600, network_.datagrams(), seals.packets(),
            seals.keys(), seals.nonce_reuses(), seals.strange_keys(), seals.repeated_keys(),
            seconds(seals.oldest_use()),
            100.0 * static_cast<double>(small_talk_heard_) / static_cast<double>(small_talk_said_), missing));
        CHECK(missing == 0);
        CHECK(slow_ways_ == 0);
        CHECK(seals.nonce_reuses() == 0);
        CHECK(seals.strange_keys() == 0);
        CHECK(seals.repeated_keys() == 0);
        CHECK(seals.oldest_use() <= 180s);
        CHECK(small_talk_heard_ * 100 > small_talk_said_ * 90);
    }

    [[nodiscard]] std::uint64_t trace() const noexcept { return network_.trace(); }

  private:
    using Pair = std::pair<std::uint32_t, std::uint32_t>;  // from, to

    struct Way {
        std::optional<Instant> since;  // an event after which nothing has been heard yet
        Kind kind = Kind::restart;
        std::pair<bool, bool> moved;  // since then: both, and only a name can find them
        bool insisting = false;       // it is said again each second
        bool asking = false;          // for the name of who should be heard
    };

    // ---- The network -------------------------------------------------------------------------------------

    [[nodiscard]] std::size_t spokes() const noexcept { return (nodes_ - 1) / 2; }

    [[nodiscard]] bool behind_nat(std::size_t index) const noexcept {
        return (index > 0 && index <= spokes()) || (index - spokes()) % 5 == 3;
    }

    static IpAddress outside(std::size_t index) {
        return IpAddress::v4(
            {203, 0, static_cast<std::uint8_t>(index >> 8U), static_cast<std::uint8_t>(index)});
    }

    void join() {
        const auto join = [this](std::size_t a, std::size_t b) {
            if (a == b || ways_.contains({static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b)}))
                return;
            peers_[a].push_back(b);
            peers_[b].push_back(a);
            ways_[{static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b)}];
            ways_[{static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(a)}];
        };
        for (std::size_t i = 1; i <= spokes(); ++i) join(0, i);
        const std::size_t first = spokes() + 1;
        const std::size_t ring = nodes_ - first;
        for (std::size_t i = 0; i < ring; ++i) {
            join(first + i, first + (i + 1) % ring);
            const std::size_t far = first + network_.random().below(ring);
            if (!behind_nat(first + i) && !behind_nat(far)) join(first + i, far);
        }
        join(0, first);
    }

    void configure(Node& self, std::size_t index) {
        self.topology().add_datagram_device(tun, {{host_of(index), 24}}, 1438);
        for (const std::size_t other : peers_[index]) {
            known_[{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(other)}] =
                network_.node(other).address();
            self.add_peer(network_.node(other), {.prefixes = {Prefix{host_of(other), 24}.network()},
                                                 .know_endpoint = !behind_nat(other),
                                                 .keepalive = behind_nat(index) ? Duration{20s} : Duration{0},
                                                 .ask_after = 30s});
        }
    }

    // ---- Talk --------------------------------------------------------------------------------------------

    void say(const Pair& pair) {
        const Words words{pair.first, pair.second, network_.now().time_since_epoch().count()};
        std::array<std::uint8_t, sizeof words> bytes{};
        std::memcpy(bytes.data(), &words, sizeof words);
        network_.node(pair.first)
            .send(tun, PacketBuilder()
                           .ip(host_of(pair.first), host_of(pair.second))
                           .udp(1, 2)
                           .payload(bytes)
                           .build());
    }

    void hear(std::span<const std::uint8_t> datagram) {
        constexpr std::size_t headers = 20 + 8;
        Words words{};
        if (datagram.size() != headers + sizeof words) return;
        std::memcpy(&words, datagram.data() + headers, sizeof words);
        const Pair pair{words.from, words.to};
        Way& way = ways_.at(pair);
        const Instant when{Duration{words.when}};
        if (!way.since) ++small_talk_heard_;
        if (!way.since || when < *way.since) return;
        const Duration took = network_.now() - *way.since;
        (is_lost(way) ? lost_healed_ : healed_[way.kind]).push_back(took);
        if (took > patience_with(way)) complain(pair, way, took);
        way.since.reset();
    }

    static bool is_lost(const Way& way) noexcept { return way.moved.first && way.moved.second; }

    static Duration patience_with(const Way& way) noexcept {
        return is_lost(way) ? patience_for_lost : patience;
    }

    void complain(const Pair& pair, const Way& way, Duration took) {
        ++slow_ways_;
        if (slow_.size() < 20)
            slow_.push_back(
                fmt::format("{} -> {}{} took {:.2f} s after '{}' at {:.3f}", pair.first, pair.second,
                            behind_nat(pair.first) || behind_nat(pair.second) ? " (NAT)" : "", seconds(took),
                            names[static_cast<int>(way.kind)], seconds(way.since->time_since_epoch())));
    }

    void begin_small_talk(const Pair& pair) {
        const Duration phase{static_cast<std::int64_t>(network_.random().below(small_talk.count()))};
        network_.at(network_.now() + phase, [this, pair] { go_on(pair); });
    }

    void go_on(const Pair& pair) {
        if (!ways_.at(pair).since) {
            ++small_talk_said_;
            say(pair);
        }
        if (!events_over_) network_.at(network_.now() + small_talk, [this, pair] { go_on(pair); });
    }

    // From now on each second, until it is heard.
    void expect(const Pair& pair, Kind kind, std::uint32_t mover) {
        Way& way = ways_.at(pair);
        if (way.since && network_.now() - *way.since > patience_with(way))
            complain(pair, way, network_.now() - *way.since);
        if (!way.since) way.moved = {};
        if (kind == Kind::move) (mover == pair.first ? way.moved.first : way.moved.second) = true;
        way.since = network_.now();
        way.kind = kind;
        if (!std::exchange(way.insisting, true)) insist(pair, network_.now());
        if (!std::exchange(way.asking, true))
            network_.at(network_.now() + ask_interval, [this, pair] { ask_for(pair); });
    }

    // Who has not heard `pair.first` asks where it is.
    void ask_for(const Pair& pair) {
        Way& way = ways_.at(pair);
        way.asking = way.since.has_value();
        if (!way.asking) return;
        network_.at(network_.now() + ask_interval, [this, pair] { ask_for(pair); });
        if (behind_nat(pair.first)) return;
        Endpoint& known = known_[{pair.second, pair.first}];
        if (known == published_[pair.first]) return;
        known = published_[pair.first];
        const auto& peers = peers_[pair.second];
        const auto place = std::ranges::find(peers, pair.first) - peers.begin();
        network_.node(pair.second).relocate(PeerId{static_cast<std::uint16_t>(place)}, known);
    }

    void insist(const Pair& pair, Instant began) {
        Way& way = ways_.at(pair);
        way.insisting = way.since && network_.now() - began <= give_up;
        if (!way.insisting) return;
        say(pair);
        network_.at(network_.now() + 1s, [this, pair, began] { insist(pair, began); });
    }

    // ---- Events ------------------------------------------------------------------------------------------

    void schedule_event() {
        const auto mean = static_cast<double>(between_events_.count()) / static_cast<double>(nodes_);
        const double uniform = (static_cast<double>(network_.random().below(1U << 30U)) + 1) / (1U << 30U);
        network_.at(network_.now() + Duration{static_cast<std::int64_t>(-std::log(uniform) * mean)}, [this] {
            if (events_over_) return;
            happen();
            schedule_event();
        });
    }

    void happen() {
        const std::size_t index = network_.random().below(nodes_);
        Node& node = network_.node(index);
        const Kind kind = draw_kind(index);
        ++events_[kind];
        switch (kind) {
            case Kind::restart:
                node.restart();
                break;
            case Kind::move:
                node.move_to(next_address());
                moved_[index] = network_.now();
                network_.at(network_.now() + name_lag,
                            [this, index, now = node.address()] { published_[index] = now; });
                break;
            case Kind::nat_forgets:
                network_.forget_nat_mapping(node);
                break;
        }
        const auto self = static_cast<std::uint32_t>(index);
        for (const std::size_t other : peers_[index]) {
            expect({self, static_cast<std::uint32_t>(other)}, kind, self);
            expect({static_cast<std::uint32_t>(other), self}, kind, self);
        }
    }

    // Half of all events are restarts. A node that others reach through their NATs stays where it is: these
    // would let it in again only after they had asked a name server.
    Kind draw_kind(std::size_t index) {
        const auto dice = network_.random().below(4);
        if (dice < 2) return Kind::restart;
        if (behind_nat(index)) return dice == 2 ? Kind::move : Kind::nat_forgets;
        const auto hidden = [this](std::size_t peer) { return behind_nat(peer); };
        return std::ranges::any_of(peers_[index], hidden) ? Kind::restart : Kind::move;
    }

    Endpoint next_address() {
        ++addresses_;
        return {IpAddress::v4({10, static_cast<std::uint8_t>(100 + (addresses_ >> 16U)),
                               static_cast<std::uint8_t>(addresses_ >> 8U),
                               static_cast<std::uint8_t>(addresses_)}),
                4500};
    }

    std::size_t nodes_;
    Duration length_;
    Duration between_events_;          // of one node
    std::vector<Instant> moved_;       // when each did so last
    std::vector<Endpoint> published_;  // what a node's name says
    std::map<Pair, Endpoint> known_;   // what was said last: to whom, of whom
    Network network_;
    std::vector<std::vector<std::size_t>> peers_;
    std::map<Pair, Way> ways_;
    std::map<Kind, std::uint64_t> events_;
    std::map<Kind, std::vector<Duration>> healed_;
    std::vector<Duration> lost_healed_;
    std::uint64_t slow_ways_ = 0;
    std::vector<std::string> slow_;  // the first of them
    std::uint64_t small_talk_said_ = 0;
    std::uint64_t small_talk_heard_ = 0;
    unsigned addresses_ = 0;
    bool events_over_ = false;
};

double number_from_environment(const char* name, double otherwise) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? otherwise : std::stod(text);
}

}  // namespace

TEST_CASE("whatever happens to a node, all that talk with it hear each other again within ten seconds") {
    const auto nodes = static_cast<std::size_t>(number_from_environment("WEFT_DAYS_NODES", 40));
    const std::chrono::duration<double, std::ratio<3600>> hours{
        number_from_environment("WEFT_DAYS_HOURS", 1)};
    const std::chrono::duration<double, std::ratio<60>> minutes{
        number_from_environment("WEFT_DAYS_EVENT_MINUTES", 20)};
    const auto seed = static_cast<std::uint64_t>(number_from_environment("WEFT_DAYS_SEED", 1));
    TwoDays days(nodes, std::chrono::duration_cast<Duration>(hours),
                 std::chrono::duration_cast<Duration>(minutes), seed);
    days.run();
    days.report();
}
