#include <algorithm>
#include <array>
#include <cstring>

#include "vswitch/checksum.h"
#include "vswitch/gso.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::size_t max_options = 40;

// A header for fragments: the fixed part and its options.
struct FragmentHeader {
    std::array<std::uint8_t, sizeof(Ipv4Header) + max_options> bytes{};
    std::size_t size = sizeof(Ipv4Header);

    [[nodiscard]] std::size_t room(std::size_t mtu) const noexcept {
        return mtu <= size ? 0 : (mtu - size) & ~std::size_t{7};
    }
};

// The header of every fragment but the first: of the options only those whose "copied" bit is set (RFC 791
// section 3.1).
std::expected<FragmentHeader, Drop> later_header(std::span<const std::uint8_t> first) noexcept {
    constexpr std::uint8_t end_of_list = 0;
    constexpr std::uint8_t no_operation = 1;
    constexpr std::uint8_t copied = 0x80;

    FragmentHeader later;
    std::memcpy(later.bytes.data(), first.data(), sizeof(Ipv4Header));
    auto options = first.subspan(sizeof(Ipv4Header));
    while (!options.empty() && options[0] != end_of_list) {
        if (options[0] == no_operation) {
            options = options.subspan(1);
            continue;
        }
        if (options.size() < 2 || options[1] < 2 || options[1] > options.size())
            return std::unexpected(Drop::malformed);
        const std::size_t length = options[1];
        if ((options[0] & copied) != 0) {
            std::memcpy(later.bytes.data() + later.size, options.data(), length);
            later.size += length;
        }
        options = options.subspan(length);
    }
    later.size = (later.size + 3) & ~std::size_t{3};
    later.bytes[0] = static_cast<std::uint8_t>(0x40U | later.size / 4);
    return later;
}

void write_fragment_header(Packet& fragment, std::size_t header_size, std::size_t offset,
                           bool more) noexcept {
    auto* ip = writable_view<Ipv4Header>(fragment.bytes());
    ip->total_length = static_cast<std::uint16_t>(fragment.size());
    ip->flags_fragment = static_cast<std::uint16_t>(offset / 8 | (more ? Ipv4Header::more_fragments : 0U));
    ip->checksum = std::uint16_t{0};
    ip->checksum = ipv4_header_checksum(fragment.bytes().first(header_size));
}

// One datagram that is no super-frame. The datagram becomes the first fragment, when the others have been
// copied out of it.
std::expected<void, Drop> fragment_one(Packet datagram, std::size_t mtu, std::vector<Packet>& out) noexcept {
    const auto* ip = view<Ipv4Header>(datagram.bytes());
    if (ip == nullptr || ip->version_ihl >> 4U != 4) return std::unexpected(Drop::malformed);
    const std::size_t header_size = ip->header_size();
    const std::size_t total = ip->total_length;
    if (header_size < sizeof(Ipv4Header) || total < header_size || total > datagram.size()) {
        return std::unexpected(Drop::malformed);
    }
    complete_checksum(datagram);
    datagram.resize(total);
    if (total <= mtu) {
        out.push_back(std::move(datagram));
        return {};
    }
    if ((ip->flags_fragment & Ipv4Header::dont_fragment) != 0) return std::unexpected(Drop::too_big);

    FragmentHeader first;
    first.size = header_size;
    std::memcpy(first.bytes.data(), datagram.data(), header_size);
    const auto later = later_header({first.bytes.data(), header_size});
    if (!later) return std::unexpected(later.error());
    const std::size_t first_room = first.room(mtu);
    const std::size_t later_room = later->room(mtu);
    if (first_room == 0 || later_room == 0) return std::unexpected(Drop::too_big);

    const std::size_t payload = total - header_size;
    const std::size_t offset = (ip->flags_fragment & Ipv4Header::offset_mask) * std::size_t{8};
    const bool more = (ip->flags_fragment & Ipv4Header::more_fragments) != 0;
    if (offset + payload > 0xFFFF || (more && payload % 8 != 0)) return std::unexpected(Drop::malformed);

    const std::size_t base = out.size();
    out.resize(base + 1);
    for (std::size_t from = first_room; from < payload; from += later_room) {
        Packet fragment = datagram.sibling();
        if (!fragment) {
            out.resize(base);
            return std::unexpected(Drop::no_buffer);
        }
        const std::size_t bytes = std::min(later_room, payload - from);
        fragment.resize(later->size + bytes);
        std::memcpy(fragment.data(), later->bytes.data(), later->size);
        std::memcpy(fragment.data() + later->size, datagram.data() + header_size + from, bytes);
        fragment.vlan_tci() = datagram.vlan_tci();
        write_fragment_header(fragment, later->size, offset + from, more || from + bytes < payload);
        out.push_back(std::move(fragment));
    }
    datagram.resize(header_size + first_room);
    datagram.offload() = Offload{};
    write_fragment_header(datagram, header_size, offset, true);
    out[base] = std::move(datagram);
    return {};
}

}  // namespace

// A super-frame is segmented at the end of `out` first; the fragments go behind the segments, which then move
// away.
std::expected<void, Drop> fragment_ipv4(Packet datagram, std::uint16_t mtu,
                                        std::vector<Packet>& out) noexcept {
    if (datagram.offload().gso == Offload::Gso::none) return fragment_one(std::move(datagram), mtu, out);

    const std::size_t base = out.size();
    if (const auto cut = segment(std::move(datagram), 0, out); !cut) return cut;
    const std::size_t segments_end = out.size();
    for (std::size_t i = base; i < segments_end; ++i) {
        Packet one = std::move(out[i]);
        if (const auto cut = fragment_one(std::move(one), mtu, out); !cut) {
            out.resize(base);
            return cut;
        }
    }
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(base),
              out.begin() + static_cast<std::ptrdiff_t>(segments_end));
    return {};
}

}  // namespace weft
