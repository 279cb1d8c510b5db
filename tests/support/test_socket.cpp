#include "tests/support/test_socket.h"

#include <array>
#include <cerrno>

#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include "overlay/socket_address.h"

namespace weft::test {

namespace {

int family_of(const Endpoint& endpoint) {
    return endpoint.address.is_v6() ? AF_INET6 : AF_INET;
}

Descriptor open_socket(const Endpoint& endpoint, int type) {
    Descriptor fd{::socket(family_of(endpoint), type | SOCK_CLOEXEC, 0)};
    if (!fd) throw_system_error("socket", errno);
    return fd;
}

void bind_to(const Descriptor& fd, const Endpoint& local) {
    SocketAddress address{};
    const auto length = to_socket_address(local, family_of(local), address);
    if (::bind(fd.get(), &address.any, length) != 0)
        throw_system_error("bind to " + local.to_string(), errno);
}

}  // namespace

bool wait_readable(int fd, int timeout_ms) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, timeout_ms) > 0;
}

UdpSocket::UdpSocket(const Endpoint& local) : fd_(open_socket(local, SOCK_DGRAM)) {
    bind_to(fd_, local);
}

void UdpSocket::send(const Endpoint& to, std::string_view payload) const {
    SocketAddress address{};
    const auto length = to_socket_address(to, family_of(to), address);
    if (::sendto(fd_.get(), payload.data(), payload.size(), 0, &address.any, length) < 0) {
        throw_system_error("send to " + to.to_string(), errno);
    }
}

void UdpSocket::send_segmented(const Endpoint& to, std::string_view payload,
                               std::uint16_t segment_size) const {
    const int size = segment_size;
    if (::setsockopt(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) != 0)
        throw_system_error("UDP_SEGMENT", errno);
    send(to, payload);
}

std::string UdpSocket::receive(Endpoint* from, int timeout_ms) const {
    if (!wait_readable(fd_.get(), timeout_ms)) return {};
    std::string buffer(65536, '\0');
    SocketAddress address{};
    socklen_t length = sizeof(address);
    const auto size = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, &address.any, &length);
    if (size < 0) throw_system_error("receive", errno);
    if (from != nullptr) *from = to_endpoint(address);
    buffer.resize(static_cast<std::size_t>(size));
    return buffer;
}

TcpListener::TcpListener(const Endpoint& local) : fd_(open_socket(local, SOCK_STREAM | SOCK_NONBLOCK)) {
    bind_to(fd_, local);
    if (::listen(fd_.get(), 1) != 0) throw_system_error("listen", errno);
}

Descriptor TcpListener::accept() const {
    return Descriptor{::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
}

Descriptor connect_tcp(const Endpoint& to) {
    Descriptor fd = open_socket(to, SOCK_STREAM | SOCK_NONBLOCK);
    SocketAddress address{};
    const auto length = to_socket_address(to, family_of(to), address);
    if (::connect(fd.get(), &address.any, length) != 0 && errno != EINPROGRESS)
        throw_system_error("connect", errno);
    return fd;
}

}  // namespace weft::test
