// What one batch leaves behind for the underlay: trains of datagrams. The datapath fills it, the worker (or a
// simulated network) sends and clears it after each batch, so nothing ever waits here longer than that.
//
// A train is what the kernel takes, and hands over, in one call (UDP_SEGMENT, UDP_GRO): datagrams of equal
// size back to back in one buffer, of which only the last may be shorter.
//
//   +----------------+----------------+----------------+----------+
//   | datagram_size  | datagram_size  | datagram_size  | the rest |      at most max_datagrams, max_bytes
//   +----------------+----------------+----------------+----------+
//
// Each peer has one train that may still grow, its last one, so that what it is sent stays in order. Whoever
// cannot send a train at once takes it apart with each_datagram().
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"

namespace weft {

// What a node's two UDP ports are for. Control datagrams come and go by ESP's port; told apart is who waits.
enum class Channel : std::uint8_t {
    esp,      // ESP in UDP (RFC 3948), NAT keepalives
    control,  // handshakes
    vxlan,    // plain VXLAN (RFC 7348)
};

inline constexpr std::size_t channels = 3;

// Calls take(span) for every datagram of a train; an empty train is one empty datagram.
template <class Byte, class Take>
void each_datagram(std::span<Byte> train, std::size_t datagram_size, Take&& take) noexcept {
    do {
        const auto datagram = train.first(std::min(train.size(), datagram_size));
        train = train.subspan(datagram.size());
        take(datagram);
    } while (!train.empty());
}

constexpr std::size_t datagrams_in(std::size_t train_size, std::size_t datagram_size) noexcept {
    return train_size <= datagram_size ? 1 : (train_size + datagram_size - 1) / datagram_size;
}

// Received. The bytes are the reader's, until it reads again.
struct ReceivedTrain {
    std::span<const std::uint8_t> bytes;
    std::size_t datagram_size = 0;  // bytes.size() if it is one datagram
    Endpoint from;
    Channel channel = Channel::esp;

    [[nodiscard]] std::size_t datagrams() const noexcept { return datagrams_in(bytes.size(), datagram_size); }
};

struct Destination {
    Endpoint remote;
    Channel channel = Channel::esp;
    std::uint32_t flow_hash = 0;  // vxlan: selects the source port
    PortId tunnel = no_port;      // whose it is, for the counters
};

// To be sent.
struct DatagramTrain {
    Packet packet;
    std::size_t datagram_size = 0;
    Destination to;

    [[nodiscard]] std::size_t datagrams() const noexcept {
        return datagrams_in(packet.size(), datagram_size);
    }
};

class Outbox {
  public:
    static constexpr std::size_t max_datagrams = 64;  // a call (UDP_MAX_SEGMENTS before Linux 6.9)
    static constexpr std::size_t max_bytes = 65507;   // the largest UDP payload over IPv4

    // A plain peer's flows are sent from so many ports (RFC 7348 section 5 wants them to differ).
    static constexpr std::size_t vxlan_sources = 16;

    // A peer's place: which train of this batch may still grow.
    class Place {
        friend class Outbox;
        std::uint64_t turn_ = 0;
        std::size_t index_ = 0;
    };

    // Room for one more datagram of `size` bytes, which the caller fills. Empty if it needs a train and the
    // pool has run dry. At most Packet::max_size.
    [[nodiscard]] std::span<std::uint8_t> append(PacketPool& pool, Place& place, const Destination& to,
                                                 std::size_t size) noexcept;

    [[nodiscard]] const std::vector<DatagramTrain>& trains() const noexcept { return trains_; }

    void clear() noexcept;

  private:
    [[nodiscard]] bool may_grow(const DatagramTrain& train, const Destination& to,
                                std::size_t size) const noexcept;

    std::vector<DatagramTrain> trains_;
    std::uint64_t turn_ = 1;  // batches so far: a place of an earlier one is void
};

}  // namespace weft
