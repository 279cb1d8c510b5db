#include "vswitch/device/packet_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <span>
#include <stdexcept>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "vswitch/device/send_batch.h"
#include "vswitch/device/virtio_header.h"
#include "vswitch/netns.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

constexpr std::size_t batch_size = 64;

class PacketSocket final : public Device {
  public:
    PacketSocket(Descriptor fd, std::string name) noexcept : fd_(std::move(fd)), name_(std::move(name)) {}

    [[nodiscard]] int descriptor() const noexcept override { return fd_.get(); }

    [[nodiscard]] LinkLayer link_layer() const noexcept override { return LinkLayer::ethernet; }

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }

    Status read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                DropCounters& drops) noexcept override;
    std::size_t write(std::vector<Packet>& packets, DropCounters& drops) noexcept override;

  private:
    Status status_of(int error, DropCounters& drops) noexcept;
    Status interface_state() noexcept;
    std::size_t write_batch(std::span<Packet> packets, DropCounters& drops) noexcept;

    Descriptor fd_;
    std::string name_;
    bool down_ = false;
    std::array<VirtioHeader, batch_size> headers_{};
    std::array<std::array<iovec, 2>, batch_size> parts_{};
    std::array<mmsghdr, batch_size> messages_{};
};

// Puts the 802.1Q tag that the kernel took off back to where it stood, behind the two MAC addresses.
void insert_tag(const tpacket_auxdata& auxdata, Packet& frame) noexcept {
    constexpr std::size_t tag_size = 4;
    const bool has_type = (auxdata.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
    const be16 type = has_type ? auxdata.tp_vlan_tpid : std::uint16_t{ETHERTYPE_VLAN};
    const be16 tci = auxdata.tp_vlan_tci;
    constexpr std::size_t addresses = std::size_t{2} * ETH_ALEN;
    std::uint8_t* start = frame.push(tag_size);
    std::memmove(start, start + tag_size, addresses);
    std::memcpy(start + addresses, &type, sizeof(type));
    std::memcpy(start + addresses + sizeof(type), &tci, sizeof(tci));
}

bool restore_tag(msghdr& message, Packet& frame) noexcept {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) continue;
        tpacket_auxdata auxdata{};
        std::memcpy(&auxdata, CMSG_DATA(control), sizeof(auxdata));
        if ((auxdata.tp_status & TP_STATUS_VLAN_VALID) == 0) return true;
        if (frame.size() < ETH_HLEN) return false;
        insert_tag(auxdata, frame);
    }
    return true;
}

// One frame as recvmsg(2) takes it: header, bytes and control data each in their own place. With an empty
// pool the frame is taken off the queue all the same, or the descriptor stays readable.
struct Reception {
    explicit Reception(Packet& frame) noexcept
        : parts{{{&header, sizeof(header)},
                 frame ? iovec{frame.data(), Packet::max_size} : iovec{&discarded, 1}}} {
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        message.msg_control = control.data();
        message.msg_controllen = control.size();
    }

    VirtioHeader header;
    std::uint8_t discarded = 0;
    std::array<iovec, 2> parts;
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
    msghdr message{};
};

// Makes the `size` bytes that were received a frame with its metadata.
std::expected<void, Drop> complete(Reception& received, std::size_t size, Packet& frame) noexcept {
    if (!frame) return std::unexpected(Drop::no_buffer);
    if (size < sizeof(received.header) || (received.message.msg_flags & MSG_TRUNC) != 0) {
        return std::unexpected(Drop::truncated);
    }
    frame.resize(size - sizeof(received.header));
    // The header's offsets count without the tag, so they are taken over before it is put back.
    if (!apply_virtio_header(received.header, LinkLayer::ethernet, frame) ||
        !restore_tag(received.message, frame)) {
        return std::unexpected(Drop::malformed);
    }
    return {};
}

Device::Status PacketSocket::read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                                  DropCounters& drops) noexcept {
    std::size_t bytes = 0;
    for (std::size_t count = 0; count < limit && bytes < batch_bytes; ++count) {
        Packet frame = pool.take();
        Reception reception{frame};
        const ssize_t size = ::recvmsg(fd_.get(), &reception.message, 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EINVAL) {
            drops.add(
                Drop::malformed);  // taken off the queue: a super-frame that virtio_net_hdr cannot express
            continue;
        }
        if (size < 0) return status_of(errno, drops);
        if (const auto result = complete(reception, static_cast<std::size_t>(size), frame); !result) {
            drops.add(result.error());
            continue;
        }
        bytes += frame.size();
        out.push_back(std::move(frame));
    }
    return Status::more;
}

// The kernel reports ENETDOWN once, for an interface set down as for a deleted one, and then EAGAIN.
Device::Status PacketSocket::status_of(int error, DropCounters& drops) noexcept {
    switch (error) {
        case EAGAIN:
            return down_ ? interface_state() : Status::drained;
        case ENETDOWN:
            return interface_state();
        case ENXIO:
        case ENODEV:
            return Status::gone;
        default:
            drops.add(Drop::device_error);
            return Status::down;  // unknown, perhaps lasting: must not be polled in a loop
    }
}

Device::Status PacketSocket::interface_state() noexcept {
    sockaddr_ll bound{};
    socklen_t length = sizeof(bound);
    if (::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0) return Status::gone;
    ifreq request{};
    request.ifr_ifindex = bound.sll_ifindex;
    if (bound.sll_ifindex <= 0 || ::ioctl(fd_.get(), SIOCGIFNAME, &request) != 0) return Status::gone;
    if (::ioctl(fd_.get(), SIOCGIFFLAGS, &request) != 0) return Status::gone;
    down_ = (static_cast<unsigned>(request.ifr_flags) & IFF_UP) == 0;
    return down_ ? Status::down : Status::drained;
}

std::size_t PacketSocket::write_batch(std::span<Packet> packets, DropCounters& drops) noexcept {
    for (std::size_t i = 0; i < packets.size(); ++i) {
        headers_[i] = make_virtio_header(packets[i]);
        parts_[i] = {{{&headers_[i], sizeof(VirtioHeader)}, {packets[i].data(), packets[i].size()}}};
        messages_[i] = {};
        messages_[i].msg_hdr.msg_iov = parts_[i].data();
        messages_[i].msg_hdr.msg_iovlen = parts_[i].size();
    }
    return send_batch(fd_.get(), std::span{messages_}.first(packets.size()), [&](std::size_t, int error) {
        if (error == ENETDOWN || error == ENXIO) down_ = true;  // the reader is not told again
        drops.add(refusal(error));
    });
}

std::size_t PacketSocket::write(std::vector<Packet>& packets, DropCounters& drops) noexcept {
    std::size_t written = 0;
    std::span<Packet> rest{packets};
    while (!rest.empty()) {
        const std::size_t size = std::min(rest.size(), batch_size);
        written += write_batch(rest.first(size), drops);
        rest = rest.subspan(size);
    }
    packets.clear();
    return written;
}

Descriptor open_descriptor(const std::string& interface) {
    Descriptor fd{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) {
        const int error = errno;
        throw_system_error("cannot open a packet socket for interface " + interface, error,
                           error == EPERM ? "run as root or with CAP_NET_RAW" : "");
    }
    return fd;
}

int find_interface(const Descriptor& fd, const std::string& interface,
                   const std::optional<std::string>& netns) {
    const std::string where =
        netns ? " in namespace " + *netns : std::string{" in the daemon's network namespace"};
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    if (interface.size() >= IFNAMSIZ || ::ioctl(fd.get(), SIOCGIFINDEX, &request) != 0) {
        throw std::runtime_error("no interface " + interface + where +
                                 ": create it first, or correct the name (ip link)");
    }
    const int index = request.ifr_ifindex;
    if (::ioctl(fd.get(), SIOCGIFHWADDR, &request) != 0) {
        throw_system_error("cannot ask what interface " + interface + where + " is", errno);
    }
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        throw std::runtime_error("interface " + interface + where +
                                 " does not carry Ethernet frames: choose one that does");
    }
    return index;
}

template <class Value>
void set_option(const Descriptor& fd, int option, const Value& value, const std::string& attempted) {
    if (::setsockopt(fd.get(), SOL_PACKET, option, &value, sizeof(value)) != 0) {
        throw_system_error("cannot " + attempted, errno);
    }
}

// The default buffers hold three super-frames. More than the limit takes CAP_NET_ADMIN; less is no failure.
void enlarge_buffers(const Descriptor& fd) noexcept {
    constexpr int size = 4 << 20;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
}

void attach(const Descriptor& fd, int index, const std::string& interface) {
    constexpr int on = 1;
    set_option(fd, PACKET_VNET_HDR, on, "enable PACKET_VNET_HDR on " + interface);
    set_option(fd, PACKET_AUXDATA, on, "enable PACKET_AUXDATA on " + interface);
    set_option(fd, PACKET_IGNORE_OUTGOING, on, "enable PACKET_IGNORE_OUTGOING on " + interface);
    packet_mreq membership{};
    membership.mr_ifindex = index;
    membership.mr_type = PACKET_MR_PROMISC;
    set_option(fd, PACKET_ADD_MEMBERSHIP, membership, "make " + interface + " promiscuous");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        throw_system_error("cannot bind a packet socket to interface " + interface, errno);
    }
}

// Until the group is complete nobody takes a frame, or more than one would.
void shut(const Descriptor& fd, const std::string& interface) {
    sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{.len = 1, .filter = &nothing};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0)
        throw_system_error("cannot attach a filter to a packet socket for interface " + interface, errno);
}

void open_up(const Descriptor& fd, const std::string& interface) {
    constexpr int unused = 0;
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) != 0)
        throw_system_error("cannot detach the filter of a packet socket for interface " + interface, errno);
}

// Makes one group of them, of which each frame goes to one member. The kernel finds a number for the group,
// which the others join.
void spread(const std::vector<Descriptor>& sockets, const std::string& interface) {
    fanout_args group{};
    group.type_flags = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID;
    const std::string attempted = "spread the frames of " + interface + " over the workers";
    for (const auto& fd : sockets) {
        set_option(fd, PACKET_FANOUT, group, attempted);
        int chosen = 0;
        socklen_t size = sizeof(chosen);
        if (::getsockopt(fd.get(), SOL_PACKET, PACKET_FANOUT, &chosen, &size) != 0)
            throw_system_error("cannot " + attempted, errno);
        group = {};
        group.id = static_cast<std::uint16_t>(chosen);
        group.type_flags = PACKET_FANOUT_HASH;
    }
    for (const auto& fd : sockets) open_up(fd, interface);
}

}  // namespace

std::unique_ptr<Device> open_packet_socket(const std::string& interface,
                                           const std::optional<std::string>& netns) {
    return std::move(open_packet_queues(interface, netns, 1)[0]);
}

std::vector<Descriptor> make_packet_sockets(const std::string& interface,
                                            const std::optional<std::string>& netns, unsigned queues) {
    std::vector<Descriptor> sockets;
    in_namespace(netns, [&] {
        while (sockets.size() < queues) {
            const Descriptor& fd = sockets.emplace_back(open_descriptor(interface));
            const int index = find_interface(fd, interface, netns);
            enlarge_buffers(fd);
            if (queues > 1) shut(fd, interface);
            attach(fd, index, interface);
        }
        if (queues > 1) spread(sockets, interface);
    });
    return sockets;
}

std::vector<std::unique_ptr<Device>> use_packet_sockets(const std::string& interface,
                                                        std::vector<Descriptor> sockets) {
    std::vector<std::unique_ptr<Device>> devices;
    devices.reserve(sockets.size());
    for (auto& fd : sockets) devices.push_back(std::make_unique<PacketSocket>(std::move(fd), interface));
    return devices;
}

bool is_packet_socket_of(const Descriptor& socket, const std::string& interface) noexcept {
    sockaddr_ll address{};
    socklen_t length = sizeof(address);
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        address.sll_family != AF_PACKET || address.sll_ifindex <= 0)
        return false;
    ifreq found{};
    found.ifr_ifindex = address.sll_ifindex;
    return ::ioctl(socket.get(), SIOCGIFNAME, &found) == 0 && interface == found.ifr_name;
}

std::vector<std::unique_ptr<Device>> open_packet_queues(const std::string& interface,
                                                        const std::optional<std::string>& netns,
                                                        unsigned queues) {
    return use_packet_sockets(interface, make_packet_sockets(interface, netns, queues));
}

}  // namespace weft
