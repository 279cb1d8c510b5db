// Joins the packets of a batch that goes to a TUN or TAP device into super-frames (generic receive offload):
// one write and one walk through the kernel's stack for dozens of segments. No payload is copied: a Run is
// the first packet, whose headers are rewritten in place to speak for all, and the payloads of the others,
// gathered by one writev(2).
//
//   batch            A1  B1  A2  ack  A3  B2'        A, B: flows; ': with PSH
//   runs             A1+A2+A3   B1+B2'   ack
//
// Joined is only what a Segmenter would cut into the very same bytes again, so packets of one flow
// (addresses, protocol and ports) that differ in nothing but lengths, numbers, checksums and payload:
//
//   - TCP or UDP in IPv4 without options or IPv6 without extension headers, in a frame with at most one
//   802.1Q
//     tag or in none; no fragment, nothing behind the datagram, and there is a payload;
//   - equal: MAC addresses, tag, traffic class with its ECN bits, DF, TTL, flow label; of TCP also the
//     acknowledgment, the window and every option;
//   - the IPv4 identification counts up by one, the TCP sequence number by the payload;
//   - each payload is as large as the first, but the last may be smaller;
//   - TCP has ACK and perhaps ECE set, PSH and FIN perhaps in the last; UDP has a checksum;
//   - every checksum is there and right.
//
// The packets of a flow keep their order: whatever cannot be joined ends its flow's run, what cannot be
// attributed to a flow (fragments, IP options, extension headers) the runs between its addresses. Flows may
// pass each other within the batch. Up to `max_open` runs are under way; a further flow may end another's.
//
// Limits: 64 KiB and max_packets a run. Cost: a few nanoseconds for what cannot be joined, the time to add it
// up for what can. Owner: a device's; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "vswitch/packet.h"
#include "vswitch/segment_headers.h"

namespace weft {

class Coalescer {
  public:
    static constexpr std::size_t max_packets = 128;
    static constexpr std::size_t max_open = 16;

    struct Run {
        std::uint32_t first = 0;    // index in the batch
        std::uint32_t count = 1;    // packets
        std::uint32_t headers = 0;  // bytes in front of each further packet's payload
    };

    // Arranges `batch` into runs, in the order of their first packets, and rewrites the headers of these.
    // `udp`: whether the device takes UDP's super-frames. The result is good until the next call.
    std::span<const Run> arrange(std::span<Packet> batch, LinkLayer link, bool udp) noexcept;

    // What to write for a run of the last arrangement; `parts` has room for run.count. Returns them.
    std::span<iovec> gather(const Run& run, std::span<Packet> batch, std::span<iovec> parts) const noexcept;

  private:
    struct OpenRun {
        SegmentHeaders first;  // data: nullptr, closed
        Packet* packet = nullptr;
        std::uint32_t run = 0;
        std::uint32_t last = 0;
        std::uint32_t size = 0;  // of the super-frame
        std::uint32_t next_sequence = 0;
        std::uint16_t next_identification = 0;
        std::uint8_t last_flags = 0;
        bool verified = false;
    };

    [[nodiscard]] OpenRun& slot_of(const SegmentHeaders& headers) noexcept;
    static bool follows(const OpenRun& run, const SegmentHeaders& next) noexcept;

    void take(std::uint32_t index, Packet& packet, const SegmentHeaders& headers) noexcept;
    bool join(OpenRun& run, std::uint32_t index, const SegmentHeaders& next) noexcept;
    void open(OpenRun& run, Packet& packet, const SegmentHeaders& headers) noexcept;
    void close(OpenRun& run) noexcept;
    void close_flow(const SegmentHeaders& headers) noexcept;
    void close_addresses(const SegmentHeaders& headers) noexcept;

    std::array<OpenRun, max_open> open_{};
    std::size_t open_count_ = 0;
    std::vector<Run> runs_;
    std::vector<std::uint32_t> next_;  // the packet that follows in its run
};

}  // namespace weft
