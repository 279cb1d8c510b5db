// The node's UDP sockets on the underlay: one for ESP and handshakes, and if any peer is plain, one to
// receive VXLAN on and a handful to send it from, whose source ports stand for the inner flow's hash (RFC
// 7348 section 5: it spreads flows over equal-cost paths). Batched by recvmmsg and sendmmsg. The outer DF bit
// is clear: a datagram too big for the path is fragmented by the kernel rather than lost.
//
// A socket on [::] serves IPv4 as well, by mapped addresses that do not show outside. A datagram to a family
// that its socket does not speak is Drop::no_endpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "overlay/outbox.h"
#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/packet.h"

namespace weft {

struct UnderlayOptions {
    std::optional<std::string> device;  // bind to it (SO_BINDTODEVICE)
    Endpoint esp;                       // [::] serves IPv4 too
    std::optional<Endpoint> vxlan;      // absent: no plain peer
};

// A datagram that the kernel did not take.
struct RefusedDatagram {
    PortId tunnel = no_port;
    Drop drop = Drop::device_error;
};

class Underlay {
  public:
    // Throws std::runtime_error that names the address and the cure (in use: by whom to look for; no such
    // device).
    explicit Underlay(const UnderlayOptions& options);
    ~Underlay();
    Underlay(const Underlay&) = delete;
    Underlay& operator=(const Underlay&) = delete;

    // Descriptors to poll for reading; at most one for each channel. -1: the channel is closed.
    [[nodiscard]] int descriptor(Channel channel) const noexcept;

    // The UDP port that `channel` is bound to (useful when configured as 0); 0: the channel is closed.
    [[nodiscard]] std::uint16_t local_port(Channel channel) const noexcept;

    // Appends at most `limit` datagrams. True if there may be more. IPv4-mapped sources are reported as IPv4.
    bool read(Channel channel, PacketPool& pool, std::size_t limit, std::vector<UnderlayDatagram>& out,
              DropCounters& drops) noexcept;

    // Sends all, in order for each channel and flow, and clears the vector. What the kernel refuses is
    // appended to `refused`.
    void write(std::vector<UnderlayDatagram>& datagrams, std::vector<RefusedDatagram>& refused) noexcept;

  private:
    struct Sockets;
    std::unique_ptr<Sockets> sockets_;
};

}  // namespace weft
