#include "overlay/underlay_socket.h"

#include <array>
#include <cerrno>
#include <random>
#include <stdexcept>

#include <linux/filter.h>

#include "overlay/socket_address.h"

namespace weft {

namespace {

template <class Value>
int set_option(const Descriptor& fd, int level, int option, const Value& value) noexcept {
    return ::setsockopt(fd.get(), level, option, &value, sizeof(value));
}

Descriptor open_udp(const Endpoint& local, const std::optional<std::string>& device) {
    const bool is_v6 = local.address.is_v6();
    Descriptor fd{::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) {
        const int error = errno;
        throw_system_error(
            "cannot open a UDP socket for " + local.to_string(), error,
            is_v6 && error == EAFNOSUPPORT ? "this kernel has no IPv6: use an IPv4 address" : "");
    }
    if (device && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device->c_str(),
                               static_cast<socklen_t>(device->size())) != 0) {
        const int error = errno;
        throw_system_error("cannot bind the underlay to device " + *device, error,
                           error == ENODEV ? "correct [underlay] device, or create it first" : "");
    }
    return fd;
}

// More than net.core.[rw]mem_max takes CAP_NET_ADMIN; less is no failure.
void size_buffers(const Descriptor& fd, int receive, int send) noexcept {
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive) != 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, receive);
    if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, send) != 0) set_option(fd, SOL_SOCKET, SO_SNDBUF, send);
}

void configure(const Descriptor& fd, const Endpoint& local, const PortSharing& sharing,
               Fragmentation fragmentation) {
    const bool whole = fragmentation == Fragmentation::never;
    const int fragment_v4 = whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
    const int fragment_v6 = whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT;
    const int v6_only = local.address.is_unspecified() ? 0 : 1;
    constexpr int on = 1;
    bool ok = set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, on) == 0 &&
              set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, fragment_v4) == 0;
    if (local.address.is_v6()) {
        ok = ok && set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, fragment_v6) == 0 &&
             set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only) == 0;
    }
    if (sharing.sockets > 1) {
        constexpr int initial_ttl = 64;
        const int ttl = initial_ttl - static_cast<int>(sharing.place);
        ok = ok && set_option(fd, SOL_SOCKET, SO_REUSEPORT, on) == 0 &&
             set_option(fd, IPPROTO_IP, IP_TTL, ttl) == 0;
        if (local.address.is_v6()) ok = ok && set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl) == 0;
    }
    if (!ok) throw_system_error("cannot set the options of the UDP socket for " + local.to_string(), errno);
}

// 0 or the errno.
int bind_to(const Descriptor& fd, const Endpoint& local) noexcept {
    SocketAddress address{};
    const socklen_t length = to_socket_address(local, local.address.is_v6() ? AF_INET6 : AF_INET, address);
    return ::bind(fd.get(), &address.any, length) == 0 ? 0 : errno;
}

// The same. The first to share a port takes care that it is nobody else's: another program that shares its
// ports would not be in the way of binding, but would get half of the datagrams.
int bind_to(const Descriptor& fd, const Endpoint& local, const std::optional<std::string>& device,
            const PortSharing& sharing) {
    if (sharing.sockets > 1 && sharing.place == 0) {
        const Descriptor probe = open_udp(local, device);
        configure(probe, local, {}, Fragmentation::allowed);
        if (const int error = bind_to(probe, local); error != 0) return error;
    }
    return bind_to(fd, local);
}

std::string cure_for_binding(int error, const Endpoint& local) {
    const std::string port = std::to_string(local.port);
    switch (error) {
        case EADDRINUSE:
            return "stop the program that has it (ss -ulpn 'sport = :" + port +
                   "' shows it), or choose another port";
        case EADDRNOTAVAIL:
            return "no interface of this host has " + local.address.to_string() +
                   ": correct the address (ip addr)";
        case EACCES:
            return "run as root or with CAP_NET_BIND_SERVICE, or choose a port from 1024 on";
        default:
            return {};
    }
}

UnderlaySocket finish(Descriptor fd, const Endpoint& local) {
    SocketAddress bound{};
    socklen_t length = sizeof(bound);
    if (::getsockname(fd.get(), &bound.any, &length) != 0) {
        throw_system_error("cannot ask for the port of the UDP socket for " + local.to_string(), errno);
    }
    const bool is_v6 = local.address.is_v6();
    return {.fd = std::move(fd),
            .family = is_v6 ? AF_INET6 : AF_INET,
            .speaks_v4 = !is_v6 || local.address.is_unspecified(),
            .port = to_endpoint(bound).port};
}

}  // namespace

UnderlaySocket open_underlay_socket(const Endpoint& local, const std::optional<std::string>& device,
                                    const std::string& purpose, Fragmentation fragmentation,
                                    const PortSharing& sharing, int receive_buffer) {
    Descriptor fd = open_udp(local, device);
    configure(fd, local, sharing, fragmentation);
    size_buffers(fd, receive_buffer, data_buffer);
    if (const int error = bind_to(fd, local, device, sharing); error != 0) {
        throw_system_error("cannot bind the " + purpose + " socket to " + local.to_string(), error,
                           cure_for_binding(error, local));
    }
    return finish(std::move(fd), local);
}

namespace {

Descriptor prepare_sending(const Endpoint& local, const std::optional<std::string>& device,
                           const PortSharing& sharing) {
    Descriptor fd = open_udp(local, device);
    configure(fd, local, sharing, Fragmentation::allowed);
    // Nobody reads from it: what arrives there shall not be kept.
    size_buffers(fd, 0, data_buffer);
    return fd;
}

[[noreturn]] void throw_not_bound(const Endpoint& local, int error) {
    throw_system_error("cannot bind a VXLAN sending socket to " + local.to_string(), error,
                       cure_for_binding(error, local));
}

}  // namespace

UnderlaySocket open_sending_socket(const IpAddress& address, const std::optional<std::string>& device,
                                   const PortSharing& sharing) {
    constexpr std::uint16_t first_port = 49152;
    constexpr std::uint32_t ports = 65536 - first_port;
    const std::uint32_t start = std::random_device{}() % ports;
    Descriptor fd = prepare_sending({.address = address, .port = 0}, device, sharing);
    for (std::uint32_t i = 0; i < ports; ++i) {
        const Endpoint local{.address = address,
                             .port = static_cast<std::uint16_t>(first_port + (start + i) % ports)};
        const int error = bind_to(fd, local, device, sharing);
        if (error == 0) return finish(std::move(fd), local);
        if (error != EADDRINUSE) throw_not_bound(local, error);
    }
    throw std::runtime_error("cannot bind a VXLAN sending socket: all UDP ports of " + address.to_string() +
                             " from 49152 on are in use");
}

UnderlaySocket open_sending_socket(const IpAddress& address, const std::optional<std::string>& device,
                                   const PortSharing& sharing, std::uint16_t port) {
    const Endpoint local{.address = address, .port = port};
    Descriptor fd = prepare_sending(local, device, sharing);
    if (const int error = bind_to(fd, local); error != 0) throw_not_bound(local, error);
    return finish(std::move(fd), local);
}

UnderlaySocket adopt_underlay_socket(Descriptor fd, const Endpoint& local) {
    int type = 0;
    socklen_t length = sizeof(type);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM)
        throw std::runtime_error("what was handed over for " + local.to_string() + " is no UDP socket");
    SocketAddress bound{};
    length = sizeof(bound);
    if (::getsockname(fd.get(), &bound.any, &length) != 0)
        throw_system_error("cannot ask for the port of the UDP socket for " + local.to_string(), errno);
    const Endpoint own = to_endpoint(bound);
    if (own.address != local.address || (local.port != 0 && own.port != local.port)) {
        throw std::runtime_error("the UDP socket that was handed over for " + local.to_string() +
                                 " is bound to " + own.to_string());
    }
    return finish(std::move(fd), local);
}

// The program sees the UDP payload. A load beyond its end returns 0 by itself.
void steer_by_spi(const UnderlaySocket& any, unsigned workers) {
    std::array<sock_filter, 5> code{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, workers),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
        BPF_STMT(BPF_RET | BPF_A, 0),
    }};
    const sock_fprog program{.len = code.size(), .filter = code.data()};
    if (set_option(any.fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program) != 0) {
        throw_system_error("cannot steer the ESP port's datagrams to their workers", errno,
                           "it takes Linux 4.6 or newer");
    }
}

}  // namespace weft
