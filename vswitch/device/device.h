// A local network device as the packet path sees it: batches of packets in, batches of packets out, never
// blocking. All methods but the destructor are for the one thread that owns the device's queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vswitch/device/virtio_header.h"
#include "vswitch/drop.h"
#include "vswitch/packet.h"

namespace weft {

// Which of the kernel's offloads a device uses.
struct DeviceOffload {
    bool gso = true;  // reading: super-frames and unfinished checksums
    bool gro = true;  // writing: packets of a flow joined to super-frames
};

class Device {
  public:
    enum class Status : std::uint8_t {
        drained,  // nothing more to read now
        more,     // the limit was reached first
        down,     // the interface is down: readable again once it is up (EIO); ask again later, do not poll
        gone,     // the interface was deleted (EBADFD): never again
    };

    Device() = default;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    virtual ~Device() = default;

    // For the event loop: readable when packets wait.
    [[nodiscard]] virtual int descriptor() const noexcept = 0;

    // The kernel's queue, for another process that takes the device over.
    [[nodiscard]] virtual int queue() const noexcept { return descriptor(); }

    [[nodiscard]] virtual LinkLayer link_layer() const noexcept = 0;

    // The interface's name as it is now.
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;

    // A read ends with the packet that makes it so many bytes: a batch is to be sent on while the processor's
    // cache still holds it.
    static constexpr std::size_t batch_bytes = std::size_t{256} << 10U;

    // Appends at most `limit` packets to `out`; each has its offload metadata checked and set. Packets that
    // the device could not hand over whole are counted in `drops`.
    virtual Status read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                        DropCounters& drops) noexcept = 0;

    // Writes all of `packets`, those of one flow in order, and clears it; what does not go is counted in
    // `drops`. Returns how many went.
    virtual std::size_t write(std::vector<Packet>& packets, DropCounters& drops) noexcept = 0;

    // From now on; super-frames that wait already are still read. A device that has no such choice ignores
    // it.
    virtual void set_offload(DeviceOffload) noexcept {}

    // Packets that the kernel dropped since the device was opened because its ring towards us was full. Asks
    // the kernel: for reports, not for every packet. Nothing if there is no telling.
    [[nodiscard]] virtual std::optional<std::uint64_t> ring_drops() noexcept { return std::nullopt; }
};

}  // namespace weft
