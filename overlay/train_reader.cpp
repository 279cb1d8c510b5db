#include "overlay/train_reader.h"

#include <algorithm>
#include <cstring>

#include <netinet/udp.h>

namespace weft {

namespace {

template <class Value>
Value value_of(const cmsghdr& control) noexcept {
    Value value{};
    std::memcpy(&value, CMSG_DATA(&control), sizeof(value));
    return value;
}

}  // namespace

TrainReader::TrainReader()
    : buffers_(std::make_unique_for_overwrite<std::uint8_t[]>(max_messages * buffer_size)) {  // NOLINT
    wanted_.fill(min_messages);
    for (std::size_t i = 0; i < max_messages; ++i) {
        parts_[i] = {&buffers_[i * buffer_size], buffer_size};
        messages_[i].msg_hdr.msg_iov = &parts_[i];
        messages_[i].msg_hdr.msg_iovlen = 1;
        messages_[i].msg_hdr.msg_name = &addresses_[i];
        messages_[i].msg_hdr.msg_control = &controls_[i];
    }
}

bool TrainReader::read(UnderlaySocket& socket, Channel channel, std::vector<ReceivedTrain>& out,
                       DropCounters& drops) noexcept {
    out.clear();
    std::size_t& wanted = wanted_[static_cast<std::size_t>(channel)];
    const std::size_t asked = wanted;
    prepare(asked);
    // An error is either 'nothing there' or a report on something sent (ICMP), after which the socket goes
    // on; if datagrams wait behind it, the descriptor is still readable.
    const int result =
        ::recvmmsg(socket.fd.get(), messages_.data(), static_cast<unsigned>(asked), 0, nullptr);
    if (result <= 0) return false;
    const auto received = static_cast<std::size_t>(result);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < received; ++i) {
        bytes += messages_[i].msg_len;
        take(i, socket, channel, out, drops);
    }
    const std::size_t cached = batch_bytes * received / std::max<std::size_t>(bytes, 1);
    wanted = std::clamp(std::min(2 * received, cached), min_messages, max_messages);
    return received == asked;
}

// The kernel has overwritten these sizes by those of what it returned.
void TrainReader::prepare(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        messages_[i].msg_hdr.msg_namelen = sizeof(SocketAddress);
        messages_[i].msg_hdr.msg_controllen = control_size;
    }
}

void TrainReader::take(std::size_t index, UnderlaySocket& socket, Channel channel,
                       std::vector<ReceivedTrain>& out, DropCounters& drops) noexcept {
    msghdr& header = messages_[index].msg_hdr;
    const std::size_t size = messages_[index].msg_len;
    std::size_t datagram_size = size;
    for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
        if (each->cmsg_level == SOL_UDP && each->cmsg_type == UDP_GRO) {
            datagram_size = static_cast<std::size_t>(std::max(value_of<int>(*each), 1));
        } else if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_RXQ_OVFL) {
            const auto lost = value_of<std::uint32_t>(*each);  // since the socket was opened, modulo 2^32
            drops.add(channel == Channel::control ? Drop::control_overflow : Drop::receive_overflow,
                      lost - socket.overflows);
            socket.overflows = lost;
        }
    }
    if ((header.msg_flags & MSG_TRUNC) != 0) return drops.add(Drop::truncated);
    out.push_back({.bytes = {&buffers_[index * buffer_size], size},
                   .datagram_size = datagram_size,
                   .from = to_endpoint(addresses_[index]),
                   .channel = channel});
}

}  // namespace weft
