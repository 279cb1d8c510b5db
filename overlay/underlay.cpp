#include "overlay/underlay.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include <sys/uio.h>

#include "overlay/socket_address.h"
#include "overlay/underlay_socket.h"
#include "vswitch/device/send_batch.h"

namespace weft {

namespace {

constexpr std::size_t batch_size = 64;
constexpr std::size_t vxlan_sources = 16;

// Index of the socket that a datagram is sent from: 0 is ESP's, the others are VXLAN's.
std::size_t sender_of(const UnderlayDatagram& datagram) noexcept {
    return datagram.channel == Channel::esp ? 0 : 1 + datagram.flow_hash % vxlan_sources;
}

}  // namespace

struct Underlay::Sockets {
    UnderlaySocket esp;
    UnderlaySocket vxlan;
    std::array<UnderlaySocket, vxlan_sources> vxlan_senders;

    // One batch as recvmmsg and sendmmsg take it, for the duration of one call.
    std::array<mmsghdr, batch_size> messages{};
    std::array<iovec, batch_size> parts{};
    std::array<SocketAddress, batch_size> addresses{};
    std::array<Packet, batch_size> packets;  // read
    std::array<PortId, batch_size> tunnels;  // written

    [[nodiscard]] const UnderlaySocket& receiver(Channel channel) const noexcept {
        return channel == Channel::esp ? esp : vxlan;
    }

    [[nodiscard]] const UnderlaySocket& sender(std::size_t index) const noexcept {
        return index == 0 ? esp : vxlan_senders[index - 1];
    }

    std::size_t prepare_reading(PacketPool& pool, std::size_t wanted) noexcept;
    void finish_reading(Channel channel, std::size_t received, std::vector<UnderlayDatagram>& out,
                        DropCounters& drops) noexcept;
    static bool discard(const UnderlaySocket& socket, std::size_t limit, DropCounters& drops) noexcept;
    bool prepare_writing(const UnderlaySocket& socket, std::size_t index,
                         UnderlayDatagram& datagram) noexcept;
    void send(const UnderlaySocket& socket, std::size_t count,
              std::vector<RefusedDatagram>& refused) noexcept;
    void send_from(std::size_t sender_index, std::span<UnderlayDatagram> datagrams,
                   std::vector<RefusedDatagram>& refused) noexcept;
};

Underlay::Underlay(const UnderlayOptions& options) : sockets_(std::make_unique<Sockets>()) {
    sockets_->esp = open_underlay_socket(options.esp, options.device, "esp");
    if (!options.vxlan) return;
    sockets_->vxlan = open_underlay_socket(*options.vxlan, options.device, "vxlan");
    for (auto& sender : sockets_->vxlan_senders)
        sender = open_sending_socket(options.vxlan->address, options.device);
}

Underlay::~Underlay() = default;

int Underlay::descriptor(Channel channel) const noexcept {
    return sockets_->receiver(channel).fd.get();
}

std::uint16_t Underlay::local_port(Channel channel) const noexcept {
    return sockets_->receiver(channel).port;
}

// Returns for how many datagrams there are packets.
std::size_t Underlay::Sockets::prepare_reading(PacketPool& pool, std::size_t wanted) noexcept {
    for (std::size_t i = 0; i < wanted; ++i) {
        packets[i] = pool.take();
        if (!packets[i]) return i;
        parts[i] = {packets[i].data(), Packet::max_size};
        messages[i] = {};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &addresses[i];
        messages[i].msg_hdr.msg_namelen = sizeof(SocketAddress);
    }
    return wanted;
}

void Underlay::Sockets::finish_reading(Channel channel, std::size_t received,
                                       std::vector<UnderlayDatagram>& out, DropCounters& drops) noexcept {
    for (std::size_t i = 0; i < received; ++i) {
        if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
            drops.add(Drop::truncated);
            continue;
        }
        packets[i].resize(messages[i].msg_len);
        out.push_back(
            {.packet = std::move(packets[i]), .remote = to_endpoint(addresses[i]), .channel = channel});
    }
    for (auto& packet : packets) packet = Packet{};
}

// The pool is empty: what waits is taken off the queue all the same, or the descriptor stays readable.
bool Underlay::Sockets::discard(const UnderlaySocket& socket, std::size_t limit,
                                DropCounters& drops) noexcept {
    for (std::size_t i = 0; i < limit; ++i) {
        std::uint8_t byte = 0;
        if (::recv(socket.fd.get(), &byte, sizeof(byte), 0) < 0) return false;
        drops.add(Drop::no_buffer);
    }
    return true;
}

bool Underlay::read(Channel channel, PacketPool& pool, std::size_t limit, std::vector<UnderlayDatagram>& out,
                    DropCounters& drops) noexcept {
    const UnderlaySocket& socket = sockets_->receiver(channel);
    if (!socket.fd) return false;
    while (limit > 0) {
        const std::size_t ready = sockets_->prepare_reading(pool, std::min(limit, batch_size));
        if (ready == 0) return Sockets::discard(socket, limit, drops);
        const int result =
            ::recvmmsg(socket.fd.get(), sockets_->messages.data(), static_cast<unsigned>(ready), 0, nullptr);
        // An error is either 'nothing there' or a report on something sent (ICMP), after which the socket
        // goes on; if datagrams wait behind it, the descriptor is still readable.
        const std::size_t received = result > 0 ? static_cast<std::size_t>(result) : 0;
        sockets_->finish_reading(channel, received, out, drops);
        if (received < ready) return false;
        limit -= received;
    }
    return true;
}

// False if the socket cannot reach that address family.
bool Underlay::Sockets::prepare_writing(const UnderlaySocket& socket, std::size_t index,
                                        UnderlayDatagram& datagram) noexcept {
    if (!socket.fd || (datagram.remote.address.is_v4() && !socket.speaks_v4)) return false;
    const socklen_t length = to_socket_address(datagram.remote, socket.family, addresses[index]);
    if (length == 0) return false;
    parts[index] = {datagram.packet.data(), datagram.packet.size()};
    messages[index] = {};
    messages[index].msg_hdr.msg_iov = &parts[index];
    messages[index].msg_hdr.msg_iovlen = 1;
    messages[index].msg_hdr.msg_name = &addresses[index];
    messages[index].msg_hdr.msg_namelen = length;
    tunnels[index] = datagram.tunnel;
    return true;
}

void Underlay::Sockets::send(const UnderlaySocket& socket, std::size_t count,
                             std::vector<RefusedDatagram>& refused) noexcept {
    send_batch(socket.fd.get(), std::span{messages}.first(count), [&](std::size_t index, int error) {
        refused.push_back({.tunnel = tunnels[index], .drop = refusal(error)});
    });
}

void Underlay::Sockets::send_from(std::size_t sender_index, std::span<UnderlayDatagram> datagrams,
                                  std::vector<RefusedDatagram>& refused) noexcept {
    const UnderlaySocket& socket = sender(sender_index);
    std::size_t count = 0;
    for (auto& datagram : datagrams) {
        if (sender_of(datagram) != sender_index) continue;
        if (!prepare_writing(socket, count, datagram)) {
            refused.push_back({.tunnel = datagram.tunnel, .drop = Drop::no_endpoint});
        } else if (++count == batch_size) {
            send(socket, count, refused);
            count = 0;
        }
    }
    send(socket, count, refused);
}

void Underlay::write(std::vector<UnderlayDatagram>& datagrams,
                     std::vector<RefusedDatagram>& refused) noexcept {
    std::uint32_t senders = 0;  // a bit each
    for (const auto& datagram : datagrams) senders |= 1U << sender_of(datagram);
    for (; senders != 0; senders &= senders - 1) {
        sockets_->send_from(static_cast<std::size_t>(std::countr_zero(senders)), datagrams, refused);
    }
    datagrams.clear();
}

}  // namespace weft
