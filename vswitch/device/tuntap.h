// TUN and TAP devices (Documentation/networking/tuntap.rst), with IFF_VNET_HDR so that super-frames and
// unfinished checksums pass through the switch as they are.
//
// What the kernel may hand over is negotiated at first: checksums, TSO and USO (Linux 6.2), or as much of it
// as the kernel knows. Writing is not bound by that: a super-frame may be written to any device, except that
// kernels before 6.2 refuse UDP's. So packets of a batch that belong together are written as one
// (coalesce.h).
//
// A TAP yields Ethernet frames, tags included; a TUN yields IP datagrams. A device that was set down reads as
// drained (the kernel reports EIO only to a writer) and refuses writes as Drop::device_error; a deleted one
// reads as gone. The send buffer (TUNSETSNDBUF) stays at its default: with a limit the kernel leaves its fast
// write path.
//
// Several queues: the kernel spreads flows over them by a hash that is the same for both directions, and
// moves a flow to the queue into which its answers were written last.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "vswitch/address.h"
#include "vswitch/device/device.h"
#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

struct TunTapOptions {
    enum class Layer : std::uint8_t { tap, tun };

    Layer layer;
    std::string name;
    std::optional<std::string> netns;
    std::uint16_t mtu = 1500;
    std::optional<MacAddress> mac;  // tap only
    std::vector<Prefix> addresses;
    bool silent = false;              // the kernel sends nothing through it on its own account
    std::uint32_t txqueuelen = 1000;  // the kernel's ring towards us, in packets: full means silent drops
    DeviceOffload offload{};          // at first
};

// Makes the device in its namespace, sets it up and brings it up. It goes away with the returned object.
// Throws std::runtime_error that says what was attempted, on which device, and the cure where there is one
// (name taken, no permission for /dev/net/tun, no such namespace, address in use).
std::unique_ptr<Device> open_tuntap(const TunTapOptions& options);

// The same with as many queues as asked for (IFF_MULTI_QUEUE if more than one), each for a thread of its own.
std::vector<std::unique_ptr<Device>> open_tuntap_queues(const TunTapOptions& options, unsigned queues);

// A device between being made and being used, which may be in two processes: its descriptors.
struct TunTapParts {
    TunTapOptions::Layer layer = TunTapOptions::Layer::tap;
    std::string name{};
    unsigned offloads = 0;  // that the kernel knows, TUN_F_...
    int index = 0;
    std::vector<Descriptor> queues{};
    Descriptor netlink{};  // of the device's namespace

    [[nodiscard]] TunTapParts copy() const;  // of the same queues
};

// What open_tuntap_queues() does, in two steps.
TunTapParts make_tuntap(const TunTapOptions& options, unsigned queues);
std::vector<std::unique_ptr<Device>> use_tuntap(TunTapParts parts);

// Whether a descriptor that came from elsewhere is a queue of this device, which still exists.
bool is_queue_of(const Descriptor& queue, const std::string& device) noexcept;

inline constexpr std::array tuntap_system_calls{
    SystemCall{SYS_readv},
    SystemCall{SYS_writev},
    SystemCall{SYS_ioctl, 1, TUNSETOFFLOAD},
    SystemCall{SYS_close},
};

}  // namespace weft
