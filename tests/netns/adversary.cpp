// An attacker in the path between two sites, and the judge of what came of it. One process holds sockets in
// the namespaces of both hosts and of the router between the sites: it says what the hosts send, stands in
// the only path that the sites have to each other, and sees what the hosts are given.
//
//   adversary KIND COUNT SEED HOST-A HOST-B ROUTER [PUBLIC-KEY-A PUBLIC-KEY-B]
//
// It works in rounds: some datagrams of each host, over layer 2 and layer 3; what the sites make of them is
// taken in the router and attacked; then a witness over each way is sent and let pass. A socket is a queue,
// so once the witnesses have arrived, all that was done before has been judged, and no buffer ever overflows.
// COUNT is the number of altered datagrams.
//
//   hold       every second datagram is kept and released behind 9,000 others, after any replay window
//   drop       every second datagram never arrives
//   repeat     each arrives 17 times
//   reorder    each round arrives backwards, one of four datagrams only with the next round
//   flip       16 copies with one flipped bit go ahead of each; truncate, extend, splice, forge likewise
//   sources    16 copies follow from other addresses and ports, half of them whole and half altered
//   handshake  the sites' first handshake message of each kind comes behind 100 altered ones; then recorded
//   ones
//              are altered or repeated ahead of each datagram, with a right mac1 and without
//
// What arrives must be, byte for byte, one that was sent, once, and not one that was kept. Prints its figures
// as one JSON object; exit status 1 if anything altered was delivered, or anything genuine was not.
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include <poll.h>

#include <fmt/format.h>

#include "tests/netns/alterations.h"
#include "tests/support/test_socket.h"
#include "vswitch/netns.h"

using namespace weft;
using namespace weft::test;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t victims_a_round = 8;
constexpr std::size_t victims_without_copies = 40;
constexpr std::size_t copies = 16;
constexpr std::size_t beyond_any_window = 9000;
constexpr std::size_t remembered = 1024;
constexpr std::chrono::seconds patience{4};

Endpoint endpoint(const char* address, std::uint16_t port) {
    return {*IpAddress::parse(address), port};
}

UdpSocket socket_in(const std::string& name, const Endpoint& local) {
    std::optional<UdpSocket> socket;
    in_namespace(name, [&] { socket.emplace(local); });
    return std::move(*socket);
}

// A host's way to the other one. `to_b` says which of the router's sockets sees it.
struct Flow {
    UdpSocket sender;
    UdpSocket receiver;
    Endpoint to;
    bool to_b;
    std::size_t overhead;  // of the ESP payload around the UDP payload

    [[nodiscard]] std::size_t sealed_size(std::size_t payload) const {
        return Esp::sealed_size(overhead + payload);
    }
};

struct Genuine {
    std::string bytes;
    std::uint64_t number;
    bool to_b;
};

struct Counts {
    std::uint64_t sent = 0;  // by the hosts
    std::uint64_t delivered = 0;
    std::uint64_t altered = 0;
    std::uint64_t silent = 0;  // of the altered, those that no counter can know of
    std::uint64_t delivered_altered = 0;
    std::uint64_t delivered_twice = 0;
    std::uint64_t delivered_though_kept = 0;
    std::uint64_t lost = 0;
};

class Adversary {
  public:
    Adversary(std::string kind, std::uint64_t count, std::uint64_t seed, char** names)
        : kind_(std::move(kind)),
          count_(count),
          seed_(seed),
          alterer_(seed),
          from_a_(socket_in(names[2], endpoint("198.51.100.1", 4500))),
          from_b_(socket_in(names[2], endpoint("203.0.113.1", 4500))) {
        const std::string a = names[0];
        const std::string b = names[1];
        constexpr std::size_t ip_udp = 20 + 8;
        constexpr std::size_t udp_vxlan_ethernet = 8 + 8 + 14;
        add_flow(a, "10.10.0.11", b, "10.10.0.12", true, udp_vxlan_ethernet + ip_udp);
        add_flow(b, "10.10.0.12", a, "10.10.0.11", false, udp_vxlan_ethernet + ip_udp);
        add_flow(a, "10.20.1.1", b, "10.20.2.1", true, ip_udp);
        add_flow(b, "10.20.2.1", a, "10.20.1.1", false, ip_udp);
        for (std::uint16_t i = 0; i < 4; ++i) {
            strangers_to_b_.push_back(socket_in(names[2], endpoint("203.0.113.77", 4500 + i)));
            strangers_to_a_.push_back(socket_in(names[2], endpoint("198.51.100.77", 4500 + i)));
        }
        if (names[3] != nullptr) keys_ = {*PublicKey::parse(names[3]), *PublicKey::parse(names[4])};
    }

    bool run() {
        warm_up();
        while (counts_.altered < count_) round();
        settle();
        fmt::print(
            "{{\"kind\":\"{}\",\"sent\":{},\"delivered\":{},\"altered\":{},\"silent\":{},"
            "\"delivered_altered\":{},\"delivered_twice\":{},\"delivered_though_kept\":{},\"lost\":{}}}\n",
            kind_, counts_.sent, counts_.delivered, counts_.altered, counts_.silent,
            counts_.delivered_altered, counts_.delivered_twice, counts_.delivered_though_kept, counts_.lost);
        return counts_.delivered_altered + counts_.delivered_twice + counts_.delivered_though_kept +
                   counts_.lost ==
               0;
    }

  private:
    void add_flow(const std::string& from, const char* source, const std::string& to, const char* target,
                  bool to_b, std::size_t overhead) {
        const auto port = static_cast<std::uint16_t>(7000 + flows_.size());
        flows_.push_back({.sender = socket_in(from, endpoint(source, port)),
                          .receiver = socket_in(to, endpoint(target, static_cast<std::uint16_t>(port + 100))),
                          .to = endpoint(target, static_cast<std::uint16_t>(port + 100)),
                          .to_b = to_b,
                          .overhead = overhead});
    }

    // ---- Honest datagrams --------------------------------------------------------------------------------

    // The payload says its number; all the rest follows from it.
    [[nodiscard]] std::string payload_of(std::uint64_t number, std::size_t size) const {
        std::string payload(size, '\0');
        SeededRandom random(seed_ ^ number * 0x9E3779B97F4A7C15U);
        random.fill({reinterpret_cast<std::uint8_t*>(payload.data()), size});
        for (unsigned i = 0; i < 8; ++i) payload[i] = static_cast<char>(number >> (8 * i));
        return payload;
    }

    static std::uint64_t number_of(std::string_view payload) {
        std::uint64_t number = 0;
        for (unsigned i = 0; i < 8; ++i)
            number |= std::uint64_t{static_cast<std::uint8_t>(payload[i])} << (8 * i);
        return number;
    }

    // A size that no other datagram of the round has on its way: by it, the router knows which one it sees.
    std::uint64_t send(const Flow& flow) {
        for (;;) {
            const std::size_t size = 100 + alterer_.random().below(900);
            const auto key = std::pair{flow.to_b, flow.sealed_size(size)};
            if (expected_.contains(key)) continue;
            const std::uint64_t number = ++last_number_;
            expected_[key] = number;
            sizes_[number] = size;
            flow.sender.send(flow.to, payload_of(number, size));
            ++counts_.sent;
            return number;
        }
    }

    void receive_from(const Flow& flow) {
        for (std::string payload; !(payload = flow.receiver.receive(nullptr, 0)).empty();) {
            const std::uint64_t number = payload.size() < 8 ? 0 : number_of(payload);
            const auto size = sizes_.find(number);
            if (size == sizes_.end() || payload != payload_of(number, size->second)) {
                ++counts_.delivered_altered;
            } else if (kept_.contains(number)) {
                ++counts_.delivered_though_kept;
            } else if (awaited_.erase(number) == 0) {
                ++counts_.delivered_twice;
            } else {
                ++counts_.delivered;
            }
        }
    }

    // ---- The path ----------------------------------------------------------------------------------------

    void forward(const std::string& bytes, bool to_b) const {
        static const Endpoint site_a = endpoint("198.51.100.2", 4500);
        static const Endpoint site_b = endpoint("203.0.113.2", 4500);
        if (to_b) {
            from_b_.send(site_b, bytes);
        } else {
            from_a_.send(site_a, bytes);
        }
    }

    void forward(const Genuine& genuine) {
        awaited_.insert(genuine.number);
        forward(genuine.bytes, genuine.to_b);
    }

    void forward_altered(const std::string& bytes, bool to_b) {
        ++counts_.altered;
        if (silent(bytes)) ++counts_.silent;
        forward(bytes, to_b);
    }

    // Datagrams that have come to the router; those of no host (dummies, handshakes) go on at once.
    std::vector<Genuine> take() {
        std::vector<Genuine> taken;
        for (const bool to_b : {true, false}) {
            const UdpSocket& socket = to_b ? from_a_ : from_b_;
            for (std::string bytes; !(bytes = socket.receive(nullptr, 0)).empty();) {
                const auto found = expected_.find({to_b, bytes.size()});
                if (found != expected_.end() && !is_control(bytes)) {
                    taken.push_back({bytes, found->second, to_b});
                    expected_.erase(found);
                } else {
                    if (is_control(bytes)) see_handshake(bytes, to_b);
                    forward(bytes, to_b);
                }
            }
        }
        return taken;
    }

    // Until `done`; false if that takes too long. Whatever the hosts are given meanwhile is judged.
    template <class Done, class Each>
    bool attend(const Done& done, const Each& each) {
        const auto deadline = Clock::now() + patience;
        for (;;) {
            for (const Genuine& genuine : take()) each(genuine);
            for (const Flow& flow : flows_) receive_from(flow);
            if (done()) return true;
            if (Clock::now() > deadline) return false;
            wait();
        }
    }

    void wait() const {
        constexpr int at_most_ms = 20;
        std::vector<pollfd> sockets = {{from_a_.get(), POLLIN, 0}, {from_b_.get(), POLLIN, 0}};
        for (const Flow& flow : flows_) sockets.push_back({flow.receiver.get(), POLLIN, 0});
        ::poll(sockets.data(), sockets.size(), at_most_ms);
    }

    // Until a datagram has got through on each way: the sites may still have to agree on keys. What they kept
    // for that time comes late, so nothing is judged before it is quiet again.
    void warm_up() {
        std::set<const Flow*> open;
        const auto listen = [&](std::chrono::milliseconds limit) {
            const auto deadline = Clock::now() + limit;
            do {
                for (const Genuine& genuine : take()) forward(genuine.bytes, genuine.to_b);
                for (const Flow& flow : flows_)
                    while (!flow.receiver.receive(nullptr, 0).empty()) open.insert(&flow);
                wait();
            } while (Clock::now() < deadline);
        };
        for (int attempt = 0; open.size() < flows_.size(); ++attempt) {
            if (attempt == 100) throw std::runtime_error("the hosts do not reach each other");
            for (const Flow& flow : flows_) greet(flow);
            listen(std::chrono::milliseconds{200});
        }
        listen(std::chrono::milliseconds{300});
    }

    // The hosts' devices may not be there yet.
    static void greet(const Flow& flow) {
        try {
            flow.sender.send(flow.to, "hello");
        } catch (const std::runtime_error&) {
        }
    }

    void round() {
        expected_.clear();
        const bool copied = kind_ != "hold" && kind_ != "drop" && kind_ != "reorder";
        const std::size_t victims_now = copied ? victims_a_round : victims_without_copies;
        for (std::size_t i = 0; i < victims_now; ++i) send(flows_[i % flows_.size()]);
        std::vector<Genuine> victims;
        if (!attend([&] { return expected_.empty(); },
                    [&](const Genuine& genuine) { victims.push_back(genuine); }))
            throw std::runtime_error(
                fmt::format("{} datagrams of the hosts did not come to the router", expected_.size()));
        attack(victims);
        for (const Genuine& victim : victims) remember(victim);
        witness();
    }

    // After it all that was sent before has been judged.
    void witness() {
        for (const Flow& flow : flows_) send(flow);
        const bool all = attend([&] { return expected_.empty() && awaited_.empty(); },
                                [&](const Genuine& genuine) { forward(genuine); });
        if (!all) {
            counts_.lost += awaited_.size() + expected_.size();
            awaited_.clear();
        }
        if (counts_.lost > 100) throw std::runtime_error("honest datagrams do not get through");
    }

    // What was held back comes out, and anything that is still on its way.
    void settle() {
        for (const Genuine& late : std::exchange(carried_, {})) forward(late);
        witness();
    }

    void remember(const Genuine& victim) {
        recent_.push_back(victim);
        if (recent_.size() > remembered) recent_.pop_front();
    }

    const Genuine& recent_one(bool to_b) {
        for (;;) {
            const Genuine& one = recent_[alterer_.random().below(recent_.size())];
            if (one.to_b == to_b) return one;
        }
    }

    // ---- The attacks -------------------------------------------------------------------------------------

    void attack(std::vector<Genuine>& victims) {
        if (recent_.empty()) recent_.insert(recent_.end(), victims.begin(), victims.end());
        if (kind_ == "hold") return hold(victims);
        if (kind_ == "drop") return drop(victims);
        if (kind_ == "reorder") return reorder(victims);
        for (const Genuine& victim : victims) {
            if (kind_ == "repeat") {
                repeat(victim);
            } else if (kind_ == "sources") {
                from_other_sources(victim);
            } else if (kind_ == "handshake") {
                alter_handshakes(victim.to_b);
                forward(victim);
            } else {
                for (std::size_t i = 0; i < copies; ++i)
                    forward_altered(alterer_.alter(alteration(), victim.bytes, recent_one(victim.to_b).bytes),
                                    victim.to_b);
                forward(victim);
            }
        }
    }

    [[nodiscard]] Alteration alteration() const {
        static const std::map<std::string, Alteration> named = {{"flip", Alteration::flip},
                                                                {"truncate", Alteration::truncate},
                                                                {"extend", Alteration::extend},
                                                                {"splice", Alteration::splice},
                                                                {"forge", Alteration::forge}};
        return named.at(kind_);
    }

    void hold(const std::vector<Genuine>& victims) {
        for (std::size_t i = 0; i < victims.size(); ++i) {
            if (++seen_[victims[i].to_b] % 2 == 0) {
                kept_.insert(victims[i].number);
                held_.push_back({victims[i], seen_[victims[i].to_b]});
            } else {
                forward(victims[i]);
            }
        }
        while (!held_.empty() && seen_[held_.front().genuine.to_b] > held_.front().seen + beyond_any_window) {
            forward_altered(held_.front().genuine.bytes, held_.front().genuine.to_b);
            held_.pop_front();
        }
    }

    void drop(const std::vector<Genuine>& victims) {
        for (const Genuine& victim : victims) {
            if (++seen_[victim.to_b] % 2 == 0) {
                kept_.insert(victim.number);
                ++counts_.altered;
            } else {
                forward(victim);
            }
        }
    }

    void reorder(const std::vector<Genuine>& victims) {
        std::vector<Genuine> late;
        for (auto victim = victims.rbegin(); victim != victims.rend(); ++victim) {
            ++counts_.altered;
            if (++seen_[victim->to_b] % 4 == 0) {
                late.push_back(*victim);
            } else {
                forward(*victim);
            }
        }
        for (const Genuine& earlier : std::exchange(carried_, late)) forward(earlier);
    }

    // Half of the repetitions follow at once; the others are of datagrams that came long before.
    void repeat(const Genuine& victim) {
        forward(victim);
        for (std::size_t i = 0; i < copies; ++i)
            forward_altered(i % 2 == 0 ? victim.bytes : recent_one(victim.to_b).bytes, victim.to_b);
    }

    void from_other_sources(const Genuine& victim) {
        static const Endpoint site_a = endpoint("198.51.100.2", 4500);
        static const Endpoint site_b = endpoint("203.0.113.2", 4500);
        forward(victim);
        const auto& strangers = victim.to_b ? strangers_to_b_ : strangers_to_a_;
        for (std::size_t i = 0; i < copies; ++i) {
            const auto how = all_alterations[i / 2 % std::size(all_alterations)];
            const std::string bytes =
                i % 2 == 0 ? victim.bytes : alterer_.alter(how, victim.bytes, recent_one(victim.to_b).bytes);
            ++counts_.altered;
            if (silent(bytes)) ++counts_.silent;
            strangers[i % strangers.size()].send(victim.to_b ? site_b : site_a, bytes);
        }
    }

    // The first of its kind in this direction comes behind altered copies of itself.
    void see_handshake(const std::string& bytes, bool to_b) {
        auto& known = handshakes_[to_b];
        const bool first = known.empty();
        known.push_back(bytes);
        if (known.size() > remembered) known.pop_front();
        if (kind_ != "handshake" || !first) return;
        constexpr int ahead = 100;
        for (int i = 0; i < ahead; ++i) forward_altered(altered_handshake(to_b, false), to_b);
    }

    void alter_handshakes(bool to_b) {
        if (handshakes_[to_b].empty()) throw std::runtime_error("no handshake has been seen");
        for (std::size_t i = 0; i < copies; ++i) forward_altered(altered_handshake(to_b, i % 8 == 0), to_b);
    }

    std::string altered_handshake(bool to_b, bool repeat) {
        const auto& known = handshakes_[to_b];
        const auto& one = known[alterer_.random().below(known.size())];
        if (repeat) return one;
        const auto& others = handshakes_[!to_b].empty() ? known : handshakes_[!to_b];
        const auto how = all_alterations[alterer_.random().below(std::size(all_alterations))];
        std::string altered = alterer_.alter(how, one, others[alterer_.random().below(others.size())]);
        if (alterer_.random().chance(0.25)) Alterer::correct_mac1(altered, keys_.at(to_b ? 1 : 0));
        return altered;
    }

    struct Held {
        Genuine genuine;
        std::uint64_t seen;
    };

    std::string kind_;
    std::uint64_t count_;
    std::uint64_t seed_;
    Alterer alterer_;
    UdpSocket from_a_;  // as site-a knows site-b
    UdpSocket from_b_;
    std::vector<UdpSocket> strangers_to_a_;
    std::vector<UdpSocket> strangers_to_b_;
    std::vector<Flow> flows_;
    std::vector<PublicKey> keys_;

    Counts counts_;
    std::uint64_t last_number_ = 0;
    std::map<std::pair<bool, std::size_t>, std::uint64_t> expected_;  // at the router: (to_b, size) -> number
    std::map<std::uint64_t, std::size_t> sizes_;                      // of all that was sent
    std::set<std::uint64_t> awaited_;                                 // by the hosts
    std::unordered_set<std::uint64_t> kept_;                          // never to be delivered
    std::deque<Held> held_;
    std::vector<Genuine> carried_;
    std::deque<Genuine> recent_;
    std::map<bool, std::uint64_t> seen_;
    std::map<bool, std::deque<std::string>> handshakes_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7 && argc != 9) {
        fmt::print(stderr, "usage: {} KIND COUNT SEED HOST-A HOST-B ROUTER [KEY-A KEY-B]\n", argv[0]);
        return 2;
    }
    try {
        return Adversary{argv[1], std::stoull(argv[2]), std::stoull(argv[3]), argv + 4}.run() ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "adversary: {}\n", error.what());
        return 2;
    }
}
