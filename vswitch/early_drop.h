// The early drop: an XDP program (bpf/uplink.bpf.c) at the devices by which datagrams arrive, that drops what
// comes from a denied source and is for weft, before the kernel has made a packet of it. It counts for the
// longest denied prefix that has the source; prefixes may lie within one another. What is dropped here no
// socket sees, so this is an addition to whoever drops the same sources later, not a replacement: without
// eBPF, at a device where it is not attached, and for what the program leaves alone, that one does the work.
//
// For weft is UDP to its endpoints, with at most two VLAN tags, and not in fragments. Everything else passes,
// whoever it is from: the host's other services are not cut off from a denied source. An endpoint that is
// every address of this machine is every address to the program: where this machine is a router, a denied
// source's datagrams to the same port of another machine are dropped, too.
//
// Modes. Native: in the driver, before memory is taken for the packet. Generic: in the kernel's receive path,
// for every driver. On a veth a native program takes the other end's segmentation offload away (it sends
// single packets from then on); on some real devices attaching resets the queues. So it should be there only
// when it is of use. A device has one XDP program: beside another one, or another weft's, there is no early
// drop.
//
// Nothing here can send itself a packet by an uplink, and so there is no probe that proves that frames meet
// the program; attach() asks the kernel only whether the link is there. Frames that another program has
// redirected here pass it by.
//
// Counts are UDP's payload as its header says, one for each frame: on a device that hands over super-frames
// (a veth, in generic mode) a whole train is one packet. When a prefix is allowed its slot may be used again
// at once; a packet that is under way on another CPU may be counted for the wrong prefix then.
//
// open() and add() need privileges and system calls that a daemon gives up; afterwards none: what the program
// may be attached to, nobody asks whoever has loaded it. The links go away with the object, and with the
// process.
//
// Limits: one network namespace, one thread. Ethernet only. Kernel 6.1 or newer. Memory in the kernel: 16
// bytes for each prefix that there may be and each CPU, and 64 for each that is.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/system_call.h"

namespace weft {

class EarlyDrop {
  public:
    enum class Mode : std::uint8_t { native, generic };
    enum class Attach : std::uint8_t { best, native, generic };

    struct Options {
        std::vector<Endpoint> endpoints;  // weft's own, two at most; 0.0.0.0 is all of IPv4, :: of both
        std::uint32_t max_prefixes = 4096;
    };

    // What was attempted, why it failed, and the cure.
    using Failure = std::string;

    // Loads the program. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root.
    static std::expected<EarlyDrop, Failure> open(const Options& options);

    EarlyDrop(EarlyDrop&&) noexcept;
    EarlyDrop& operator=(EarlyDrop&&) noexcept;
    ~EarlyDrop();

    // --- devices of the calling thread's network namespace, by their interface index ---

    // To be called for each before it is attached to.
    std::expected<void, Failure> add(unsigned device);

    std::expected<Mode, Failure> attach(unsigned device, Attach how = Attach::best);
    void detach(unsigned device) noexcept;

    // How it is attached now; nothing: it is not, or the device is gone.
    [[nodiscard]] std::optional<Mode> mode(unsigned device) const noexcept;

    // What passes goes on to this XDP program, at all devices.
    std::expected<void, Failure> go_on_to(int program);

    // --- who is denied ---

    bool deny(const Prefix& prefix);            // false: there is no room
    void allow(const Prefix& prefix) noexcept;  // if it is denied

    // --- what was dropped: read from memory, no system call ---

    struct Counts {
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
    };

    [[nodiscard]] std::optional<Counts> counts(const Prefix& prefix) const;  // since it is denied, if it is
    [[nodiscard]] Counts total() const noexcept;                             // since the start

  private:
    struct Kernel;

    explicit EarlyDrop(std::unique_ptr<Kernel> kernel) noexcept;

    std::unique_ptr<Kernel> kernel_;
};

inline constexpr std::array early_drop_system_calls{
    SystemCall{SYS_bpf, 0, 2},   // BPF_MAP_UPDATE_ELEM
    SystemCall{SYS_bpf, 0, 3},   // BPF_MAP_DELETE_ELEM
    SystemCall{SYS_bpf, 0, 15},  // BPF_OBJ_GET_INFO_BY_FD
    SystemCall{SYS_bpf, 0, 28},  // BPF_LINK_CREATE, with programs that are open
    SystemCall{SYS_close},
};

}  // namespace weft
