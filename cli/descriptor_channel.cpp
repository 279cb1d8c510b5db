#include "cli/descriptor_channel.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/uio.h>

namespace weft {

namespace {

constexpr std::size_t longest = std::size_t{1} << 20U;
constexpr std::size_t control_size = CMSG_SPACE(DescriptorChannel::max_descriptors * sizeof(int));

std::vector<Descriptor> descriptors_of(msghdr& message) {
    std::vector<Descriptor> taken;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        std::vector<int> numbers((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(numbers.data(), CMSG_DATA(header), numbers.size() * sizeof(int));
        for (const int number : numbers) taken.emplace_back(number);
    }
    return taken;
}

ssize_t receive_into(const Descriptor& socket, msghdr& message, int flags) {
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket.get(), &message, flags);
    } while (size < 0 && errno == EINTR);
    if (size < 0) throw_system_error("cannot hear from the keeper of devices", errno, "restart weftd");
    return size;
}

}  // namespace

DescriptorChannel::DescriptorChannel(Descriptor socket) : socket_(std::move(socket)) {}

std::pair<Descriptor, Descriptor> DescriptorChannel::make_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw_system_error("cannot make a pair of sockets", errno);
    for (const int end : ends) {
        const int size = static_cast<int>(longest);
        ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    return {Descriptor{ends[0]}, Descriptor{ends[1]}};
}

void DescriptorChannel::send(const nlohmann::json& body, const std::vector<int>& descriptors) const {
    if (descriptors.size() > max_descriptors) throw std::logic_error("too many descriptors for a message");
    std::string text = body.dump();
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, control_size> control{};
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) throw_system_error("cannot talk to the keeper of devices", errno, "restart weftd");
}

std::optional<ChannelMessage> DescriptorChannel::receive() const {
    msghdr peeked{};
    const ssize_t size = receive_into(socket_, peeked, MSG_PEEK | MSG_TRUNC);
    if (size == 0) return std::nullopt;
    std::string text(static_cast<std::size_t>(size), '\0');
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    alignas(cmsghdr) std::array<char, control_size> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    receive_into(socket_, message, MSG_CMSG_CLOEXEC);
    ChannelMessage received{.body = {}, .descriptors = descriptors_of(message)};
    received.body = nlohmann::json::parse(text);
    return received;
}

void DescriptorChannel::finish() const noexcept {
    ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace weft
