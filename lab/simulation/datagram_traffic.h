// Generators whose packets stand for themselves: pings, and UDP at a constant rate or as a Poisson process.
// A payload begins with the packet's number and the time at which it was sent, where there is room for them:
// from 16 bytes on, loss can be told from reordering and the delay is measured.
#pragma once

#include <vector>

#include "lab/simulation/generator.h"
#include "lab/simulation/sequence_window.h"
#include "vswitch/emulation/random_stream.h"

namespace weft::lab {

// When packets go: the n-th at start + n / rate, or after exponentially distributed times.
class PacketClock {
  public:
    PacketClock(double packets_per_second, bool poisson, RandomStream random, Instant start);

    [[nodiscard]] Instant next() const noexcept { return next_; }

    void step();

  private:
    [[nodiscard]] Duration exponential();

    double interval_;  // nanoseconds
    bool poisson_;
    RandomStream random_;
    Instant start_;
    Instant next_;
    std::uint64_t packets_ = 0;
};

// What a payload begins with.
struct Stamp {
    static constexpr std::size_t size = 16;

    std::uint64_t number = 0;
    Instant sent;

    void write(std::span<std::uint8_t> payload) const noexcept;  // if it fits
    static std::optional<Stamp> read(std::span<const std::uint8_t> payload) noexcept;
};

// The payload of a generator behind its stamp: bytes of the seed and its name.
std::vector<std::uint8_t> payload_of(const Generator::Context& context, std::size_t size);

class StampedTraffic : public Generator {
  public:
    void run(Instant now) override;

  protected:
    StampedTraffic(const Context& context, double packets_per_second, bool poisson);

    // Makes the datagram around this payload.
    virtual void write(Packet& datagram, std::uint64_t number, std::span<const std::uint8_t> payload) = 0;

    void take(std::span<const std::uint8_t> payload, Instant now);

    Route route_;

  private:
    PacketClock clock_;
    std::vector<std::uint8_t> payload_;
    SequenceWindow window_;
    std::uint64_t packets_ = 0;
};

class PingTraffic final : public StampedTraffic {
  public:
    explicit PingTraffic(const Context& context);

    void arrived(const Received& datagram, Instant now) override;
    void returned(const Received& datagram, Instant now) override;

  private:
    void write(Packet& datagram, std::uint64_t number, std::span<const std::uint8_t> payload) override;
};

class DatagramTraffic final : public StampedTraffic {
  public:
    static constexpr std::uint16_t port = 5001;  // at the receiver

    explicit DatagramTraffic(const Context& context);

    void arrived(const Received& datagram, Instant now) override;
    void returned(const Received& datagram, Instant now) override;

  private:
    void write(Packet& datagram, std::uint64_t number, std::span<const std::uint8_t> payload) override;
};

}  // namespace weft::lab
