// An existing interface (eth0, a veth) as a port, by AF_PACKET (packet(7)): weft sees every frame that
// arrives there and sends its own. PACKET_VNET_HDR brings super-frames and unfinished checksums as they are;
// PACKET_AUXDATA brings the VLAN tag that the kernel stripped. Frames that weft itself sent, or that the host
// sends, are not read back. The interface is made promiscuous as long as the port exists.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <linux/sockios.h>

#include "vswitch/device/device.h"
#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

// Throws std::runtime_error (no such interface, no permission, no such namespace).
std::unique_ptr<Device> open_packet_socket(const std::string& interface,
                                           const std::optional<std::string>& netns);

// As many sockets, each for a thread of its own, among which the kernel spreads the flows by a hash that is
// the same for both directions (PACKET_FANOUT).
std::vector<std::unique_ptr<Device>> open_packet_queues(const std::string& interface,
                                                        const std::optional<std::string>& netns,
                                                        unsigned queues);

// The same in two steps, which may be in two processes.
std::vector<Descriptor> make_packet_sockets(const std::string& interface,
                                            const std::optional<std::string>& netns, unsigned queues);
std::vector<std::unique_ptr<Device>> use_packet_sockets(const std::string& interface,
                                                        std::vector<Descriptor> sockets);

// Whether a descriptor that came from elsewhere is such a socket at this interface, which still exists.
bool is_packet_socket_of(const Descriptor& socket, const std::string& interface) noexcept;

inline constexpr std::array packet_socket_system_calls{
    SystemCall{SYS_recvmsg},
    SystemCall{SYS_sendmmsg},
    SystemCall{SYS_getsockname},
    SystemCall{SYS_ioctl, 1, SIOCGIFNAME},
    SystemCall{SYS_ioctl, 1, SIOCGIFFLAGS},
    SystemCall{SYS_close},
};

}  // namespace weft
