// An Endpoint as the socket calls take it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "vswitch/address.h"

namespace weft {

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

// Writes `endpoint` for a socket of `family`, IPv4 as a mapped address (RFC 4291 section 2.5.5.2) for
// AF_INET6, and returns the address's length; 0 if an AF_INET socket cannot reach it.
socklen_t to_socket_address(const Endpoint& endpoint, int family, SocketAddress& address) noexcept;

// The reverse; a mapped address becomes IPv4 again.
Endpoint to_endpoint(const SocketAddress& address) noexcept;

}  // namespace weft
