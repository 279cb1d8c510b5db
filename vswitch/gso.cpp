#include "vswitch/gso.h"

#include <algorithm>
#include <cstring>

#include "vswitch/checksum.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

// What a super-frame is made of, offsets from data().
//
//   0         network            transport        payload                        size()
//   +---------+------------------+----------------+------------------------------+
//   | (frame) | IP, options,     | TCP + options  | gso_size | gso_size | rest   |
//   |         | extension hdrs   | or UDP         |                              |
//   +---------+------------------+----------------+------------------------------+
struct Layout {
    std::size_t network = 0;
    std::size_t transport = 0;
    std::size_t payload = 0;
    std::size_t gso_size = 0;
    bool is_v6 = false;
    bool is_tcp = false;
};

std::size_t transport_header_size(std::span<const std::uint8_t> bytes, std::size_t transport,
                                  bool is_tcp) noexcept {
    if (!is_tcp) return view<UdpHeader>(bytes, transport) != nullptr ? sizeof(UdpHeader) : 0;
    const auto* tcp = view<TcpHeader>(bytes, transport);
    if (tcp == nullptr || tcp->header_size() < sizeof(TcpHeader)) return 0;
    return bytes.size() - transport < tcp->header_size() ? 0 : tcp->header_size();
}

std::expected<Layout, Drop> lay_out(const Packet& packet, std::size_t network) noexcept {
    const auto bytes = packet.bytes();
    const Offload& offload = packet.offload();
    Layout layout{.network = network,
                  .transport = packet.checksum_start(),
                  .gso_size = offload.gso_size,
                  .is_tcp = offload.gso != Offload::Gso::udp};
    if (layout.gso_size == 0 || network >= bytes.size()) return std::unexpected(Drop::malformed);

    const unsigned version = bytes[network] >> 4U;
    layout.is_v6 = version == 6;
    const bool family_fits = offload.gso == Offload::Gso::tcp4   ? version == 4
                             : offload.gso == Offload::Gso::tcp6 ? version == 6
                                                                 : version == 4 || version == 6;
    if (!family_fits) return std::unexpected(Drop::malformed);

    std::size_t network_end = network + sizeof(Ipv6Header);
    if (layout.is_v6) {
        if (view<Ipv6Header>(bytes, network) == nullptr) return std::unexpected(Drop::malformed);
    } else {
        const auto* ip = view<Ipv4Header>(bytes, network);
        if (ip == nullptr || ip->header_size() < sizeof(Ipv4Header)) return std::unexpected(Drop::malformed);
        if (ip->protocol != (layout.is_tcp ? ip_protocol::tcp : ip_protocol::udp) || ip->is_fragment()) {
            return std::unexpected(Drop::malformed);
        }
        network_end = network + ip->header_size();
    }
    if (layout.is_v6 ? layout.transport < network_end : layout.transport != network_end) {
        return std::unexpected(Drop::malformed);
    }
    const std::size_t header = transport_header_size(bytes, layout.transport, layout.is_tcp);
    if (header == 0) return std::unexpected(Drop::malformed);
    layout.payload = layout.transport + header;
    return layout;
}

void write_lengths(Packet& segment, const Layout& layout, std::uint16_t identification) noexcept {
    const std::size_t size = segment.size() - layout.network;
    if (layout.is_v6) {
        writable_view<Ipv6Header>(segment.bytes(), layout.network)->payload_length =
            static_cast<std::uint16_t>(size - sizeof(Ipv6Header));
        return;
    }
    auto* ip = writable_view<Ipv4Header>(segment.bytes(), layout.network);
    ip->total_length = static_cast<std::uint16_t>(size);
    ip->identification = identification;
    ip->checksum = std::uint16_t{0};
    ip->checksum = ipv4_header_checksum(segment.bytes().subspan(layout.network, ip->header_size()));
}

ChecksumSum pseudo_header(const Packet& segment, const Layout& layout) noexcept {
    const auto length = static_cast<std::uint32_t>(segment.size() - layout.transport);
    const std::uint8_t protocol = layout.is_tcp ? ip_protocol::tcp : ip_protocol::udp;
    if (layout.is_v6) {
        const auto* ip = view<Ipv6Header>(segment.bytes(), layout.network);
        return pseudo_header_sum(IpAddress::v6(ip->source), IpAddress::v6(ip->destination), protocol, length);
    }
    const auto* ip = view<Ipv4Header>(segment.bytes(), layout.network);
    return pseudo_header_sum(IpAddress::v4(ip->source), IpAddress::v4(ip->destination), protocol, length);
}

// FIN and PSH speak of the end of the data, CWR of its beginning (RFC 3168 section 6.1.2).
void write_tcp(Packet& segment, const Layout& layout, std::uint32_t sequence, bool first,
               bool last) noexcept {
    auto* tcp = writable_view<TcpHeader>(segment.bytes(), layout.transport);
    tcp->sequence = sequence;
    if (!first) tcp->flags &= static_cast<std::uint8_t>(~TcpHeader::cwr);
    if (!last) tcp->flags &= static_cast<std::uint8_t>(~(TcpHeader::fin | TcpHeader::psh));
    tcp->checksum = std::uint16_t{0};
    ChecksumSum sum = pseudo_header(segment, layout);
    sum.add(segment.bytes().subspan(layout.transport));
    tcp->checksum = sum.finish();
}

// A checksum of zero would mean that there is none (RFC 768).
void write_udp(Packet& segment, const Layout& layout) noexcept {
    auto* udp = writable_view<UdpHeader>(segment.bytes(), layout.transport);
    udp->length = static_cast<std::uint16_t>(segment.size() - layout.transport);
    udp->checksum = std::uint16_t{0};
    ChecksumSum sum = pseudo_header(segment, layout);
    sum.add(segment.bytes().subspan(layout.transport));
    const std::uint16_t checksum = sum.finish();
    udp->checksum = checksum == 0 ? std::uint16_t{0xFFFF} : checksum;
}

struct Numbering {
    std::uint16_t identification;
    std::uint32_t sequence;
};

Numbering numbering(const Packet& packet, const Layout& layout) noexcept {
    Numbering start{};
    if (!layout.is_v6)
        start.identification = view<Ipv4Header>(packet.bytes(), layout.network)->identification;
    if (layout.is_tcp) start.sequence = view<TcpHeader>(packet.bytes(), layout.transport)->sequence;
    return start;
}

void finish_segment(Packet& segment, const Layout& layout, const Numbering& start, std::size_t index,
                    std::size_t count) noexcept {
    write_lengths(segment, layout, static_cast<std::uint16_t>(start.identification + index));
    if (layout.is_tcp) {
        write_tcp(segment, layout, static_cast<std::uint32_t>(start.sequence + index * layout.gso_size),
                  index == 0, index + 1 == count);
    } else {
        write_udp(segment, layout);
    }
    segment.offload() = Offload{.checksum_valid = true};
}

}  // namespace

void complete_checksum(Packet& packet) noexcept {
    Offload& offload = packet.offload();
    if (!offload.needs_checksum || offload.gso != Offload::Gso::none) return;
    const std::size_t start = packet.checksum_start();
    offload.needs_checksum = false;
    const auto bytes = packet.bytes();
    if (start > bytes.size()) return;
    auto* field = writable_view<be16>(bytes, start + offload.checksum_offset);
    if (field == nullptr) return;

    ChecksumSum sum;
    sum.add(bytes.subspan(start));
    const std::uint16_t checksum = sum.finish();
    *field =
        checksum == 0 ? std::uint16_t{0xFFFF} : checksum;  // zero would mean that there is none (RFC 768)
    offload.checksum_valid = true;
}

// The packet itself becomes the first segment, last of all, when the others have been copied out of it.
std::expected<void, Drop> segment(Packet packet, std::uint16_t network, std::vector<Packet>& out) noexcept {
    if (packet.offload().gso == Offload::Gso::none) {
        complete_checksum(packet);
        out.push_back(std::move(packet));
        return {};
    }
    const auto layout = lay_out(packet, network);
    if (!layout) return std::unexpected(layout.error());

    const Numbering start = numbering(packet, *layout);
    const std::size_t payload = packet.size() - layout->payload;
    const std::size_t count = std::max<std::size_t>(1, (payload + layout->gso_size - 1) / layout->gso_size);
    const std::size_t base = out.size();
    out.resize(base + 1);
    for (std::size_t i = 1; i < count; ++i) {
        Packet copy = packet.sibling();
        if (!copy) {
            out.resize(base);
            return std::unexpected(Drop::no_buffer);
        }
        const std::size_t from = i * layout->gso_size;
        const std::size_t bytes = std::min(layout->gso_size, payload - from);
        copy.resize(layout->payload + bytes);
        std::memcpy(copy.data(), packet.data(), layout->payload);
        std::memcpy(copy.data() + layout->payload, packet.data() + layout->payload + from, bytes);
        copy.vlan_tci() = packet.vlan_tci();
        finish_segment(copy, *layout, start, i, count);
        out.push_back(std::move(copy));
    }
    packet.resize(layout->payload + std::min(layout->gso_size, payload));
    finish_segment(packet, *layout, start, 0, count);
    out[base] = std::move(packet);
    return {};
}

std::size_t wire_size(const Packet& packet) noexcept {
    const Offload& offload = packet.offload();
    if (offload.gso == Offload::Gso::none) return packet.size();
    const std::size_t transport = packet.checksum_start();
    const std::size_t header =
        transport_header_size(packet.bytes(), transport, offload.gso != Offload::Gso::udp);
    return header == 0 ? packet.size() : std::min(packet.size(), transport + header + offload.gso_size);
}

}  // namespace weft
