#include "overlay/train_writer.h"

#include <cerrno>
#include <cstring>

#include <netinet/udp.h>

#include "vswitch/device/send_batch.h"

namespace weft {

void TrainWriter::add(const UnderlaySocket& socket, const DatagramTrain& train,
                      std::vector<RefusedDatagrams>& refused) noexcept {
    const std::span bytes = train.packet.bytes();
    const bool whole = gso_ || bytes.size() <= train.datagram_size;
    each_datagram(bytes, whole ? bytes.size() : train.datagram_size,
                  [&](std::span<const std::uint8_t> part) { push(socket, train, part, refused); });
}

void TrainWriter::push(const UnderlaySocket& socket, const DatagramTrain& train,
                       std::span<const std::uint8_t> bytes, std::vector<RefusedDatagrams>& refused) noexcept {
    const bool speaks_family = socket.fd && (socket.speaks_v4 || !train.to.remote.address.is_v4());
    const socklen_t length =
        speaks_family ? to_socket_address(train.to.remote, socket.family, addresses_[queued_]) : 0;
    if (length == 0) {
        refused.push_back({.tunnel = train.to.tunnel,
                           .drop = Drop::no_endpoint,
                           .count = datagrams_in(bytes.size(), train.datagram_size)});
        return;
    }
    // sendmsg(2) does not write what it sends.
    parts_[queued_] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    messages_[queued_].msg_hdr = {.msg_name = &addresses_[queued_],
                                  .msg_namelen = length,
                                  .msg_iov = &parts_[queued_],
                                  .msg_iovlen = 1,
                                  .msg_control = nullptr,
                                  .msg_controllen = 0,
                                  .msg_flags = 0};
    trains_[queued_] = &train;
    if (bytes.size() > train.datagram_size) mark_as_train(queued_);
    if (++queued_ == max_messages) flush(socket, refused);
}

void TrainWriter::mark_as_train(std::size_t index) noexcept {
    msghdr& header = messages_[index].msg_hdr;
    header.msg_control = &controls_[index];
    header.msg_controllen = sizeof(Control);
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(trains_[index]->datagram_size);
    std::memcpy(CMSG_DATA(control), &size, sizeof(size));
}

void TrainWriter::flush(const UnderlaySocket& socket, std::vector<RefusedDatagrams>& refused) noexcept {
    send_batch(socket.fd.get(), std::span{messages_}.first(queued_),
               [&](std::size_t index, int error) { refuse(socket, index, error, refused); });
    queued_ = 0;
}

void TrainWriter::refuse(const UnderlaySocket& socket, std::size_t index, int error,
                         std::vector<RefusedDatagrams>& refused) noexcept {
    const msghdr& message = messages_[index].msg_hdr;
    const DatagramTrain& train = *trains_[index];
    const bool is_train = message.msg_controllen != 0;
    if (is_train && error == EIO) gso_ = false;
    if (is_train && (error == EIO || error == EINVAL || error == EMSGSIZE))
        return send_apart(socket, message, train, refused);
    refused.push_back({.tunnel = train.to.tunnel,
                       .drop = refusal(error),
                       .count = datagrams_in(parts_[index].iov_len, train.datagram_size)});
}

void TrainWriter::send_apart(const UnderlaySocket& socket, const msghdr& message, const DatagramTrain& train,
                             std::vector<RefusedDatagrams>& refused) noexcept {
    each_datagram(train.packet.bytes(), train.datagram_size, [&](std::span<const std::uint8_t> datagram) {
        if (::sendto(socket.fd.get(), datagram.data(), datagram.size(), 0,
                     static_cast<const sockaddr*>(message.msg_name), message.msg_namelen) < 0)
            refused.push_back({.tunnel = train.to.tunnel, .drop = refusal(errno)});
    });
}

}  // namespace weft
