// A packet as the Coalescer sees it: where its headers are, whether it could be a segment of a super-frame,
// and how two of them compare. Bytes are looked at in the order in which they turn most packets away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vswitch/device/virtio_header.h"
#include "vswitch/packet.h"

namespace weft {

enum class Joinability : std::uint8_t {
    unrelated,  // to any flow that is joined
    obscure,    // of a flow between its addresses, who knows which: a fragment, IP options, extension headers
    alone,      // of a known flow, but not to be joined
    joinable,   // unless a checksum is wrong
};

// Offsets from `data`. The network header is there unless the packet is `unrelated`, the transport header's
// fixed part if it is `alone`, all headers and some payload if it is `joinable`.
struct SegmentHeaders {
    std::uint8_t* data = nullptr;
    std::uint32_t size = 0;
    std::uint32_t network = 0;
    std::uint32_t transport = 0;
    std::uint32_t payload = 0;
    bool is_v6 = false;
    bool is_tcp = false;

    // Finds the headers of `packet`; without `udp` no UDP packet is joinable.
    Joinability inspect(Packet& packet, LinkLayer link, bool udp) noexcept;

    [[nodiscard]] std::uint32_t payload_size() const noexcept { return size - payload; }

    // Both, as they stand in the header: side by side, directly in front of the transport header.
    [[nodiscard]] std::span<std::uint8_t> addresses() const noexcept;

    // For a joinable or lone one.
    [[nodiscard]] std::uint64_t flow_hash() const noexcept;

    // Of a joinable one: every checksum is right, and written as a Segmenter writes it (zero has two forms).
    [[nodiscard]] bool verify() const noexcept;

  private:
    bool inspect_network() noexcept;
    Joinability inspect_transport(const Packet& packet) noexcept;
};

bool same_addresses(const SegmentHeaders& a, const SegmentHeaders& b) noexcept;

// Addresses, protocol and ports.
bool same_flow(const SegmentHeaders& a, const SegmentHeaders& b) noexcept;

// Joinable ones of one flow: nothing else differs but numbers, lengths, checksums, PSH and FIN.
bool same_template(const SegmentHeaders& a, const SegmentHeaders& b) noexcept;

}  // namespace weft
