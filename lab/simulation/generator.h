// Traffic without processes: what a [[traffic]] section sends from one simulated host to another, and what is
// counted of it there. One class for each kind; the simulation calls run() when next() has come, and gives
// them what arrives for them.
//
// Which generator a datagram belongs to is in it: its number is in the sender's port, or in the identifier of
// a ping (number_base + n).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/simulation/capture_file.h"
#include "lab/simulation/delay_statistics.h"
#include "lab/simulation/station.h"
#include "lab/topology.h"

namespace weft::lab {

struct TrafficResult {
    std::uint64_t sent_packets = 0;
    std::uint64_t sent_bytes = 0;  // of payload
    std::uint64_t received_packets = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t reordered = 0;      // arrived after a later one
    std::uint64_t duplicates = 0;     // arrived once more
    std::uint64_t unsent = 0;         // there was no way, or no buffer
    DelayStatistics delays;           // ping: round trips; others: one way
    std::uint64_t retransmitted = 0;  // tcp: of the packets sent
    std::uint64_t recoveries = 0;
    std::uint64_t timeouts = 0;
    std::optional<Instant> first_sent;
    std::optional<Instant> last_received;

    // Of those that were sent once; a packet under way counts as well.
    [[nodiscard]] std::uint64_t missing() const noexcept {
        const std::uint64_t sent = sent_packets - retransmitted;
        return sent > received_packets ? sent - received_packets : 0;
    }
};

class Generator {
  public:
    static constexpr std::uint16_t number_base = 10'000;
    static constexpr std::uint16_t max_generators = 50'000;

    struct Context {
        const Traffic& traffic;
        std::uint16_t number = 0;
        Station& from;
        Station& to;
        PacketPool& pool;
        std::uint64_t seed = 0;
        Instant start;
        Instant stop;  // it sends nothing from then on
    };

    explicit Generator(const Context& context) : context_(context) {}

    virtual ~Generator() = default;
    Generator(const Generator&) = delete;
    Generator& operator=(const Generator&) = delete;

    virtual void run(Instant now) = 0;
    virtual void arrived(const Received& datagram, Instant now) = 0;   // at the host that it is sent to
    virtual void returned(const Received& datagram, Instant now) = 0;  // at the host that sends

    // A frame of any kind, at the host that it is sent to; true if it was one of the generator's.
    virtual bool frame_arrived(std::span<const std::uint8_t> /*frame*/, Instant /*now*/) { return false; }

    [[nodiscard]] virtual TrafficResult result() const { return result_; }

    [[nodiscard]] Instant next() const noexcept { return next_; }

    [[nodiscard]] const Traffic& traffic() const noexcept { return context_.traffic; }

  protected:
    [[nodiscard]] std::uint16_t number() const noexcept {
        return static_cast<std::uint16_t>(number_base + context_.number);
    }

    // Counts what goes out.
    void sent(std::size_t payload, Instant now);
    void received(std::size_t payload, Instant now);

    // The addresses and the way between the two hosts, of one family. Throws std::runtime_error if there is
    // none.
    struct Route {
        Endpoints endpoints;
        Station::Way way;
    };

    [[nodiscard]] Route route_there() const;
    [[nodiscard]] Route route_back() const;

    Context context_;
    TrafficResult result_;
    Instant next_ = Instant::max();
};

// Throws std::runtime_error with what is wrong with the traffic and the cure.
std::unique_ptr<Generator> make_generator(const Generator::Context& context);

}  // namespace weft::lab
