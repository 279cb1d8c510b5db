// Opening of the underlay's UDP sockets: bound, non-blocking, with large buffers and the DF bit clear.
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

// `purpose` ("esp", "vxlan") is for the message of the std::runtime_error.
UnderlaySocket open_underlay_socket(const Endpoint& local, const std::optional<std::string>& device,
                                    const std::string& purpose);

// A socket to send from only, on `address` and some free port of 49152..65535 (RFC 7348 section 5).
UnderlaySocket open_sending_socket(const IpAddress& address, const std::optional<std::string>& device);

}  // namespace weft
