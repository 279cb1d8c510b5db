// struct virtio_net_hdr of linux/virtio_net.h (which C++ cannot include), which stands in front of every
// packet of a TUN, TAP or packet socket, and our Offload metadata.
//
//   0        1        2                 4                 6                 8                10
//   +--------+--------+-----------------+-----------------+-----------------+-----------------+
//   | flags  |gso_type| hdr_len         | gso_size        | csum_start      | csum_offset     |   host byte
//   order
//   +--------+--------+-----------------+-----------------+-----------------+-----------------+
//
// It is 10 bytes, the legacy size: the 12-byte form adds only num_buffers, which these devices do not use.
//
// The header is no more trustworthy than the packet, as a container can inject both. Read: everything that
// later stages rely on is compared with the bytes, hdr_len is not looked at. Written: hdr_len is computed
// from the headers in the packet.
//
// Limit: a super-frame has to come with its checksum unfinished, as Linux's own GSO and GRO make it. LRO does
// not (a NIC merged the segments): it is refused as malformed, and has to be off on an interface that weft
// reads.
#pragma once

#include <cstdint>

#include "vswitch/packet.h"

namespace weft {

struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t hdr_len = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t csum_start = 0;
    std::uint16_t csum_offset = 0;

    static constexpr std::uint8_t needs_checksum = 1;
    static constexpr std::uint8_t data_valid = 2;

    static constexpr std::uint8_t gso_none = 0;
    static constexpr std::uint8_t gso_tcp4 = 1;
    static constexpr std::uint8_t gso_tcp6 = 4;
    static constexpr std::uint8_t gso_udp = 5;     // USO, since Linux 6.2
    static constexpr std::uint8_t gso_ecn = 0x80;  // or'ed to a TCP type
};

static_assert(sizeof(VirtioHeader) == 10);

enum class LinkLayer : std::uint8_t { ethernet, none };

// Sets packet.offload() from `header`. False if the two contradict each other: then the packet is
// Drop::malformed.
bool apply_virtio_header(const VirtioHeader& header, LinkLayer link, Packet& packet) noexcept;

// The header to write in front of `packet`.
VirtioHeader make_virtio_header(const Packet& packet) noexcept;

}  // namespace weft
