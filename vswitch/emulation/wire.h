// One direction of an emulated link: packets are offered at one end and come out at the other, later, fewer,
// or changed, as its Impairment says (impairment.h). It owns no clock and no file descriptor: the same wire
// serves devices in real time and a simulation in virtual time.
//
// Random choices are drawn from a stream of their own for each wire and each kind of choice
// (random_stream.h), from the seed and the wire's name alone: another link changes nothing here.
//
// Nothing is allocated for a packet. What waits in a wire holds a buffer of the pool; when the pool runs low,
// the queue counts as full.
//
// Every packet is in exactly one place:
//
//   offered + duplicated = delivered + lost + cut + too_big + queue_full + aqm_dropped + queued + under way
//
// The calls' times must not go back; but those of deliver() may be a little ahead of all others
// (lead_time.h). What happens between two calls happens at its own time, not at that of the second call: a
// link that is busy sends its packets back to back, however late it is asked.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "vswitch/device/virtio_header.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

struct WireCounters {
    std::uint64_t offered_packets =
        0;  // as a wire counts them: super-frames by their segments if they are cut
    std::uint64_t offered_bytes = 0;
    std::uint64_t delivered_packets = 0;
    std::uint64_t delivered_bytes = 0;
    std::uint64_t lost = 0;         // by the loss model
    std::uint64_t cut = 0;          // offered or under way while the wire was down
    std::uint64_t too_big = 0;      // for its MTU
    std::uint64_t queue_full = 0;   // drop tail, or the pool had no buffer
    std::uint64_t aqm_dropped = 0;  // CoDel
    std::uint64_t aqm_marked = 0;   // CoDel, ECN
    std::uint64_t corrupted = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;  // sent past the delay

    friend bool operator==(const WireCounters&, const WireCounters&) = default;
};

class Wire {
  public:
    struct Identity {
        std::uint64_t seed = 0;
        std::string_view name;  // of the link and the direction; only looked at by the constructor
        LinkLayer link = LinkLayer::ethernet;  // none: it carries IP datagrams, as a TUN does
    };

    Wire(const Impairment& impairment, const Identity& identity, Instant start);
    ~Wire();
    Wire(Wire&&) noexcept;
    Wire& operator=(Wire&&) noexcept;

    // From now on. What is under way arrives as it would have; what is queued leaves at the new rate. Times
    // of a schedule and a trace still count from `start`.
    void set(const Impairment& impairment, Instant now);

    // A switch beside Impairment::up: the wire is up if both are. Down: what is offered, queued or under way
    // is lost, and counted as cut.
    void set_up(bool up, Instant now);

    [[nodiscard]] bool is_up() const noexcept;

    // Consumes `frames` and clears it. `frames` are whole Ethernet frames.
    void offer(std::vector<Packet>& frames, Instant now) noexcept;

    // Appends what has arrived by `now`, in the order of arrival.
    void deliver(Instant now, std::vector<Packet>& out) noexcept;

    // When deliver() has something to do next, be it a packet or a change of the schedule; Instant::max():
    // not before something is offered.
    [[nodiscard]] Instant next() const noexcept;

    // What is in force now, with the schedule and the trace applied.
    [[nodiscard]] const Impairment& impairment() const noexcept;

    [[nodiscard]] const WireCounters& counters() const noexcept;
    [[nodiscard]] std::size_t queued_packets() const noexcept;  // behind the rate
    [[nodiscard]] std::uint64_t queued_bytes() const noexcept;
    [[nodiscard]] std::size_t under_way_packets() const noexcept;  // on their way to the other end

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft
