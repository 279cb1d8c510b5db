// The node's UDP sockets on the underlay: one for ESP, one that handshakes arrive at, and if any peer is
// plain, one to receive VXLAN on and a handful to send it from, whose source ports stand for the inner flow's
// hash (RFC 7348 section 5: it spreads flows over equal-cost paths). ESP has the outer DF bit set: what the
// path carries is measured (path_search.h). Plain VXLAN has not: there a datagram too big for the path is
// fragmented by the network rather than lost.
//
// Handshakes arrive at ESP's port as well, where the kernel sorts them out (steer_by_spi): anybody can send
// any number of them, and what they fill is a buffer of their own, from which a batch is read in turns with
// ESP. One worker, the last, has it; all send from ESP's socket.
//
// Batched twice: recvmmsg and sendmmsg take many messages, and each message is a whole train of datagrams
// where the kernel has UDP_GRO and UDP_SEGMENT (outbox.h). Both are probed at start and can be switched off.
// A train that the kernel refuses as a train is taken apart and sent datagram by datagram:
//
//   EINVAL, EMSGSIZE   longer than the device's MTU allows without fragmentation: this train only
//   EIO                the device cannot finish checksums: from now on all trains
//   anything else      as for a single datagram, counted under its Drop for each datagram of the train
//
// A socket on [::] serves IPv4 as well, by mapped addresses that do not show outside. A datagram to a family
// that its socket does not speak is Drop::no_endpoint. What the kernel dropped because a socket's receive
// buffer was full is told by SO_RXQ_OVFL and counted as Drop::receive_overflow, or Drop::control_overflow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>

#include "overlay/outbox.h"
#include "overlay/underlay_socket.h"
#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/packet.h"
#include "vswitch/system_call.h"

namespace weft {

struct UnderlayOptions {
    std::optional<std::string> device;  // bind to it (SO_BINDTODEVICE)
    Endpoint esp;                       // [::] serves IPv4 too
    std::optional<Endpoint> vxlan;      // absent: no plain peer
    unsigned workers = 1;               // of the node; each has an Underlay
    unsigned worker = 0;                // whose this is; they are made in this order
};

// Datagrams that the kernel did not take.
struct RefusedDatagrams {
    PortId tunnel = no_port;
    Drop drop = Drop::device_error;
    std::size_t count = 1;
};

struct UnderlayOffload {
    bool gso = true;        // UDP_SEGMENT
    bool gro = true;        // UDP_GRO
    bool vxlan_gro = true;  // the same for plain VXLAN
};

// One of an Underlay's sockets between two processes.
struct UnderlayPart {
    enum class Role : std::uint8_t { esp, control, vxlan, vxlan_sender };

    Role role = Role::esp;
    std::uint8_t place = 0;       // of a sender: which
    std::uint32_t overflows = 0;  // so far
    int fd = -1;                  // of whoever has it
};

class Underlay {
  public:
    // Throws std::runtime_error that names the address and the cure (in use: by whom to look for; no such
    // device). `first` is the first worker's, for all but that one: its ports are shared. The last one that
    // is made puts the steering in force.
    explicit Underlay(const UnderlayOptions& options, const Underlay* first = nullptr);

    // Of sockets that another process has made by the same options, all of them: they become this object's,
    // with what waits in them. Throws std::runtime_error if one is missing or another than it should be;
    // those that are left are the caller's to close.
    Underlay(const UnderlayOptions& options, std::vector<std::pair<UnderlayPart, Descriptor>>& parts);
    ~Underlay();
    Underlay(const Underlay&) = delete;
    Underlay& operator=(const Underlay&) = delete;

    // Descriptors to poll for reading, one for each channel. -1: the channel is closed, or another worker's.
    [[nodiscard]] int descriptor(Channel channel) const noexcept;

    // The UDP port that `channel` is bound to (useful when configured as 0); 0: the channel is closed.
    [[nodiscard]] std::uint16_t local_port(Channel channel) const noexcept;

    // All that are open.
    [[nodiscard]] std::vector<UnderlayPart> parts() const;

    // Switches the offloads; what the kernel does not have stays off. Returns what is in force.
    UnderlayOffload use_offload(const UnderlayOffload& wanted) noexcept;

    // Replaces `out` by at most one batch of trains, which live until the next read() of any channel. True if
    // there may be more. IPv4-mapped sources are reported as IPv4.
    bool read(Channel channel, std::vector<ReceivedTrain>& out, DropCounters& drops) noexcept;

    // Sends all, in order for each channel and flow. What the kernel refuses is appended to `refused`.
    void write(const std::vector<DatagramTrain>& trains, std::vector<RefusedDatagrams>& refused) noexcept;

  private:
    void open_esp(const UnderlayOptions& options, const Underlay* first);
    void open_vxlan(Endpoint vxlan, const UnderlayOptions& options, const Underlay* first);

    struct Sockets;
    std::unique_ptr<Sockets> sockets_;
};

inline constexpr std::array underlay_system_calls{
    SystemCall{SYS_recvmmsg}, SystemCall{SYS_sendmmsg},
    SystemCall{SYS_sendto},   SystemCall{SYS_setsockopt, 1, IPPROTO_UDP},  // UDP_GRO
    SystemCall{SYS_close},
};

}  // namespace weft
