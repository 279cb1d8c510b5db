// Opening of the underlay's UDP sockets: bound, non-blocking, with large buffers.
//
// Several sockets share a port (SO_REUSEPORT). Which gets a datagram is decided by the kernel: by a hash over
// both addresses and ports, or where all of a peer's traffic has the same ones, by the SPI in front of it
// (steer_by_spi). Workers differ in the TTL of what they send, and in nothing else that the network sees: it
// keeps the receiver's GRO from joining datagrams of two workers, which may be for two workers there, into
// one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vswitch/address.h"
#include "vswitch/system.h"

namespace weft {

struct UnderlaySocket {
    Descriptor fd;
    int family = 0;               // AF_INET or AF_INET6
    bool speaks_v4 = false;       // AF_INET, or AF_INET6 on the unspecified address
    std::uint16_t port = 0;       // that it is bound to
    std::uint32_t overflows = 0;  // datagrams lost to a full receive buffer, modulo 2^32
};

// Who else is bound to the same port.
struct PortSharing {
    unsigned sockets = 1;
    unsigned place = 0;  // of this one among them; they bind in this order
};

// Of the outer datagrams, by the network.
enum class Fragmentation : std::uint8_t {
    allowed,  // DF is clear
    never,    // DF is set, and what the kernel believes of the path from ICMP is passed over
};

// Bytes of payload that may wait, which the kernel doubles for what it adds to them.
inline constexpr int data_buffer = 4 << 20;
inline constexpr int control_buffer = 512 << 10;

// `purpose` ("esp", "vxlan") is for the message of the std::runtime_error.
UnderlaySocket open_underlay_socket(const Endpoint& local, const std::optional<std::string>& device,
                                    const std::string& purpose, Fragmentation fragmentation,
                                    const PortSharing& sharing = {}, int receive_buffer = data_buffer);

// A socket to send from only, on `address` and some free port of 49152..65535 (RFC 7348 section 5).
UnderlaySocket open_sending_socket(const IpAddress& address, const std::optional<std::string>& device,
                                   const PortSharing& sharing = {});

// One more, on the port of `first`, which is another worker's.
UnderlaySocket open_sending_socket(const IpAddress& address, const std::optional<std::string>& device,
                                   const PortSharing& sharing, std::uint16_t port);

// One that another process has opened by the functions above. Throws std::runtime_error if it is no such
// socket, or bound to something else than `local`, of which port 0 is any.
UnderlaySocket adopt_underlay_socket(Descriptor fd, const Endpoint& local);

// A datagram to the shared port goes to the socket in place SPI % workers; a control datagram, which begins
// with four zero bytes, to the one behind those; what is shorter (a NAT keepalive) to the first. To be called
// when all sockets are bound.
void steer_by_spi(const UnderlaySocket& any, unsigned workers);

}  // namespace weft
