#include "vswitch/device/tuntap.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>
#include <stdexcept>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "vswitch/coalesce.h"
#include "vswitch/device/new_interface.h"
#include "vswitch/device/send_batch.h"
#include "vswitch/device/virtio_header.h"
#include "vswitch/netlink.h"
#include "vswitch/netns.h"
#include "vswitch/system.h"

namespace weft {

namespace {

constexpr unsigned uso = 0x20U | 0x40U;  // TUN_F_USO4 | TUN_F_USO6; linux/if_tun.h has them since Linux 6.2

class TunTap final : public Device {
  public:
    TunTap(Descriptor fd, LinkLayer link, std::string name, unsigned offloads) noexcept
        : fd_(std::move(fd)), link_(link), name_(std::move(name)), offloads_(offloads) {}

    // The kernel counts them for the device, so one of its queues reports them.
    void count_ring_drops(int index, Netlink netlink) noexcept {
        index_ = index;
        netlink_.emplace(std::move(netlink));
    }

    [[nodiscard]] int descriptor() const noexcept override { return fd_.get(); }

    [[nodiscard]] LinkLayer link_layer() const noexcept override { return link_; }

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }

    Status read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                DropCounters& drops) noexcept override;
    std::size_t write(std::vector<Packet>& packets, DropCounters& drops) noexcept override;
    void set_offload(DeviceOffload offload) noexcept override;
    [[nodiscard]] std::optional<std::uint64_t> ring_drops() noexcept override;

  private:
    std::size_t write_run(const Coalescer::Run& run, std::span<Packet> packets, DropCounters& drops) noexcept;

    Descriptor fd_;
    LinkLayer link_;
    std::string name_;
    unsigned offloads_;  // what the kernel knows, TUN_F_...
    int index_ = 0;
    std::optional<Netlink> netlink_;  // of the device's namespace
    bool gro_ = true;
    Coalescer coalescer_;
    std::array<iovec, 1 + Coalescer::max_packets> parts_{};  // of the run that is being written
};

Device::Status status_of(int error, DropCounters& drops) noexcept {
    switch (error) {
        case EAGAIN:
            return Device::Status::drained;
        case EBADFD:
            return Device::Status::gone;
        case EIO:
            return Device::Status::down;
        default:
            drops.add(Drop::device_error);
            return Device::Status::down;  // unknown, perhaps lasting: must not be polled in a loop
    }
}

Device::Status TunTap::read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                            DropCounters& drops) noexcept {
    std::size_t bytes = 0;
    for (std::size_t count = 0; count < limit && bytes < batch_bytes; ++count) {
        Packet packet = pool.take();
        VirtioHeader header;
        std::uint8_t discarded = 0;
        // With an empty pool the packet is taken off the ring all the same, or the descriptor stays readable.
        const std::array<iovec, 2> parts = {
            {{&header, sizeof(header)},
             packet ? iovec{packet.data(), Packet::max_size} : iovec{&discarded, 1}}};
        const ssize_t size = ::readv(fd_.get(), parts.data(), static_cast<int>(parts.size()));
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return status_of(errno, drops);
        if (!packet) {
            drops.add(Drop::no_buffer);
            continue;
        }
        if (static_cast<std::size_t>(size) < sizeof(header)) {
            drops.add(Drop::truncated);
            continue;
        }
        packet.resize(static_cast<std::size_t>(size) - sizeof(header));
        bytes += packet.size();
        if (!apply_virtio_header(header, link_, packet)) {
            drops.add(Drop::malformed);
            continue;
        }
        out.push_back(std::move(packet));
    }
    return Status::more;
}

std::size_t TunTap::write_run(const Coalescer::Run& run, std::span<Packet> packets,
                              DropCounters& drops) noexcept {
    VirtioHeader header = make_virtio_header(packets[run.first]);
    parts_[0] = {&header, sizeof(header)};
    const auto gathered = coalescer_.gather(run, packets, std::span{parts_}.subspan(1));
    ssize_t size = 0;
    do {
        size = ::writev(fd_.get(), parts_.data(), static_cast<int>(1 + gathered.size()));
    } while (size < 0 && errno == EINTR);
    if (size < 0) drops.add(refusal(errno), run.count);
    return size < 0 ? 0 : run.count;
}

std::size_t TunTap::write(std::vector<Packet>& packets, DropCounters& drops) noexcept {
    std::size_t written = 0;
    if (gro_ && packets.size() > 1) {
        const bool takes_udp = (offloads_ & uso) != 0;
        for (const auto& run : coalescer_.arrange(packets, link_, takes_udp)) {
            written += write_run(run, packets, drops);
        }
    } else {
        for (std::uint32_t i = 0; i < packets.size(); ++i) {
            written += write_run({.first = i}, packets, drops);
        }
    }
    packets.clear();
    return written;
}

// The kernel has agreed to all of `offloads_` before, and may always be asked for less.
void TunTap::set_offload(DeviceOffload offload) noexcept {
    gro_ = offload.gro;
    ::ioctl(fd_.get(), TUNSETOFFLOAD, offload.gso ? offloads_ : 0U);
}

// What the device sends is what we read: a packet that finds the ring full is counted as dropped on
// transmission.
std::optional<std::uint64_t> TunTap::ring_drops() noexcept {
    if (!netlink_) return std::nullopt;
    try {
        return netlink_->tx_dropped(index_);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

NewInterface interface_of(const TunTapOptions& options) {
    const bool is_tap = options.layer == TunTapOptions::Layer::tap;
    return {.name = options.name,
            .netns = options.netns,
            .mtu = options.mtu,
            .mac = is_tap ? options.mac : std::nullopt,
            .addresses = options.addresses,
            .txqueuelen = options.txqueuelen};
}

std::string cure_for_opening(int error) {
    switch (error) {
        case ENOENT:
            return "create it (mkdir -p /dev/net && mknod /dev/net/tun c 10 200), or give the container this "
                   "device";
        case ENODEV:
        case ENXIO:
            return "load the kernel module (modprobe tun)";
        case EACCES:
        case EPERM:
            return "run as root or with CAP_NET_ADMIN, and allow the device (chmod 0666 /dev/net/tun; in a "
                   "container: --device /dev/net/tun)";
        default:
            return {};
    }
}

enum class Queue : std::uint8_t { only, first, further };

// The first or only one makes the device.
Descriptor open_descriptor(const TunTapOptions& options, Queue queue) {
    const NewInterface interface = interface_of(options);
    Descriptor fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    if (!fd) {
        const int error = errno;
        throw_system_error("cannot open /dev/net/tun for device " + options.name, error,
                           cure_for_opening(error));
    }
    ifreq request{};
    options.name.copy(request.ifr_name, IFNAMSIZ - 1);
    const bool is_tap = options.layer == TunTapOptions::Layer::tap;
    int flags = IFF_NO_PI | IFF_VNET_HDR;
    if (queue != Queue::only) flags |= IFF_MULTI_QUEUE;
    if (queue != Queue::further) flags |= IFF_TUN_EXCL;
    request.ifr_flags = static_cast<short>((is_tap ? IFF_TAP : IFF_TUN) | flags);
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
        const int error = errno;
        if (error == EBUSY) throw_name_taken(interface);
        throw_system_error("cannot create device " + options.name + place(interface), error,
                           error == EPERM ? "run as root or with CAP_NET_ADMIN" : "");
    }
    return fd;
}

// Switches on all the offloads that the kernel knows, and returns them.
unsigned negotiate(const Descriptor& fd, const TunTapOptions& options) {
    int header_size = sizeof(VirtioHeader);
    if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &header_size) != 0) {
        throw_system_error("cannot set the packet header's size of device " + options.name, errno);
    }
    constexpr unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    for (const unsigned mask : {tso | TUN_F_TSO_ECN | uso, tso | TUN_F_TSO_ECN, tso}) {
        if (::ioctl(fd.get(), TUNSETOFFLOAD, mask) == 0) return mask;
    }
    return 0;
}

}  // namespace

std::unique_ptr<Device> open_tuntap(const TunTapOptions& options) {
    return std::move(open_tuntap_queues(options, 1)[0]);
}

TunTapParts make_tuntap(const TunTapOptions& options, unsigned queues) {
    const NewInterface interface = interface_of(options);
    check_name(interface);
    TunTapParts parts{.layer = options.layer, .name = options.name};
    in_namespace(options.netns, [&] {
        Netlink netlink;
        check_free(netlink, interface);
        // From here on the device exists as long as a descriptor of it: an exception deletes it.
        parts.queues.push_back(open_descriptor(options, queues > 1 ? Queue::first : Queue::only));
        parts.offloads = negotiate(parts.queues[0], options);  // for the whole device
        while (parts.queues.size() < queues) parts.queues.push_back(open_descriptor(options, Queue::further));
        if (options.silent) netlink.set_silent(options.name);
        set_up(netlink, interface);
        parts.index = netlink.link(options.name).value().index;
        parts.netlink = netlink.take_descriptor();
    });
    return parts;
}

TunTapParts TunTapParts::copy() const {
    TunTapParts copied{.layer = layer, .name = name, .offloads = offloads, .index = index};
    for (const Descriptor& queue : queues)
        copied.queues.emplace_back(::fcntl(queue.get(), F_DUPFD_CLOEXEC, 0));
    copied.netlink = Descriptor(::fcntl(netlink.get(), F_DUPFD_CLOEXEC, 0));
    return copied;
}

std::vector<std::unique_ptr<Device>> use_tuntap(TunTapParts parts) {
    const LinkLayer link = parts.layer == TunTapOptions::Layer::tap ? LinkLayer::ethernet : LinkLayer::none;
    std::vector<std::unique_ptr<TunTap>> queues;
    for (auto& fd : parts.queues)
        queues.push_back(std::make_unique<TunTap>(std::move(fd), link, parts.name, parts.offloads));
    queues.at(0)->count_ring_drops(parts.index, Netlink{std::move(parts.netlink)});
    return {std::make_move_iterator(queues.begin()), std::make_move_iterator(queues.end())};
}

bool is_queue_of(const Descriptor& queue, const std::string& device) noexcept {
    ifreq found{};
    return ::ioctl(queue.get(), TUNGETIFF, &found) == 0 && device == found.ifr_name;
}

std::vector<std::unique_ptr<Device>> open_tuntap_queues(const TunTapOptions& options, unsigned queues) {
    auto opened = use_tuntap(make_tuntap(options, queues));
    for (auto& queue : opened) queue->set_offload(options.offload);
    return opened;
}

}  // namespace weft
