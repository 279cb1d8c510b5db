// A device behind an emulated link: whatever device it is, what is read from it comes out of one wire
// (emulation/wire.h), and what is written to it goes into another.
//
//   the kernel  --- inner device --->  wire `in`   --->  read()
//   the kernel  <--- inner device ---  wire `out`  <---  write()
//
// The event loop sees one descriptor: an epoll instance in which are the inner device's descriptor, and a
// timerfd that is set to the moment at which a wire has something to deliver. A read is also when what is due
// outwards is written. Ports without impairment have no such object around them, and pay nothing.
//
// The clock is read once a call, in nanoseconds: the loop's own has milliseconds. The timer is set earlier by
// what waking takes (emulation/lead_time.h).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vswitch/device/device.h"
#include "vswitch/emulation/impairment.h"
#include "vswitch/emulation/lead_time.h"
#include "vswitch/emulation/wire.h"
#include "vswitch/precise_timer.h"
#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

// What it has done.
struct PortLinkCounters {
    struct Direction {
        WireCounters counters;
        std::uint64_t queued_packets = 0;
        std::uint64_t queued_bytes = 0;
        std::uint64_t under_way_packets = 0;
        bool up = true;
    };

    Direction in;
    Direction out;
};

class ImpairedDevice final : public Device {
  public:
    // `name`: the port's, from which the random choices are drawn. Throws std::runtime_error.
    ImpairedDevice(std::unique_ptr<Device> inner, const PortLink& link, std::string_view name);

    // From now on; a new seed counts only for a new object.
    void set(const PortLink& link);

    // What is under way is lost.
    [[nodiscard]] std::unique_ptr<Device> release() noexcept;

    [[nodiscard]] int descriptor() const noexcept override { return poll_.get(); }

    [[nodiscard]] int queue() const noexcept override { return inner_->queue(); }

    [[nodiscard]] LinkLayer link_layer() const noexcept override { return inner_->link_layer(); }

    [[nodiscard]] const std::string& name() const noexcept override { return inner_->name(); }

    Status read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                DropCounters& drops) noexcept override;
    std::size_t write(std::vector<Packet>& packets, DropCounters& drops) noexcept override;

    void set_offload(DeviceOffload offload) noexcept override { inner_->set_offload(offload); }

    [[nodiscard]] std::optional<std::uint64_t> ring_drops() noexcept override { return inner_->ring_drops(); }

    [[nodiscard]] PortLinkCounters counters() const noexcept;

  private:
    void hand_over(std::size_t limit, std::vector<Packet>& out) noexcept;
    std::size_t write_due(Instant now, DropCounters& drops) noexcept;
    void count_lost(DropCounters& drops) noexcept;
    void arm(Instant now) noexcept;

    std::unique_ptr<Device> inner_;
    PreciseTimer timer_;
    Descriptor poll_;
    Wire in_;
    Wire out_;
    std::vector<Packet> batch_;
    std::vector<Packet> arrived_;    // for read(), beyond its limit
    std::size_t first_arrived_ = 0;  // those before it are gone
    std::vector<Packet> due_;
    Instant armed_ = Instant::max();  // what the timer is set to
    LeadTime lead_time_;
    std::uint64_t lost_ = 0;  // as of the last count
};

inline constexpr std::array impaired_device_system_calls{
    SystemCall{SYS_clock_gettime}, SystemCall{SYS_timerfd_create}, SystemCall{SYS_timerfd_settime},
    SystemCall{SYS_epoll_create1}, SystemCall{SYS_epoll_ctl},      SystemCall{SYS_close},
};

}  // namespace weft
