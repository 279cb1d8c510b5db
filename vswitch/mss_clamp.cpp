#include "vswitch/mss_clamp.h"

#include <cstring>

#include "vswitch/checksum.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

constexpr std::uint8_t end_of_options = 0;
constexpr std::uint8_t no_operation = 1;
constexpr std::uint8_t maximum_segment_size = 2;
constexpr std::size_t mss_option_size = 4;

// Of the option's value, from the first byte of `options`; 0 if there is none.
std::size_t find_mss(std::span<const std::uint8_t> options) noexcept {
    std::size_t at = 0;
    while (at < options.size() && options[at] != end_of_options) {
        if (options[at] == no_operation) {
            ++at;
            continue;
        }
        if (options.size() - at < 2 || options[at + 1] < 2 || options[at + 1] > options.size() - at) return 0;
        if (options[at] == maximum_segment_size) return options[at + 1] == mss_option_size ? at + 2 : 0;
        at += options[at + 1];
    }
    return 0;
}

std::uint16_t swapped(std::uint16_t value) noexcept {
    return static_cast<std::uint16_t>(value << 8U | value >> 8U);
}

}  // namespace

void clamp_mss(Packet& datagram, const Classified& what, std::uint16_t mtu) noexcept {
    if (what.flow.protocol != ip_protocol::tcp || what.transport == Classified::absent) return;
    const std::size_t transport = static_cast<std::size_t>(what.transport - what.network);
    auto* tcp = writable_view<TcpHeader>(datagram.bytes(), transport);
    if (tcp == nullptr || (tcp->flags & TcpHeader::syn) == 0) return;
    const std::size_t header = tcp->header_size();
    if (header <= sizeof(TcpHeader) || header > datagram.size() - transport) return;

    const std::size_t around =
        (what.flow.source.is_v6() ? sizeof(Ipv6Header) : sizeof(Ipv4Header)) + sizeof(TcpHeader);
    const auto most = static_cast<std::uint16_t>(mtu > around ? mtu - around : 0);
    const auto options = datagram.bytes().subspan(transport + sizeof(TcpHeader), header - sizeof(TcpHeader));
    const std::size_t at = find_mss(options);
    auto* mss = at == 0 ? nullptr : writable_view<be16>(options, at);
    if (mss == nullptr || mss->value() <= most) return;

    // A value at an odd offset straddles two words of the sum. An unfinished checksum covers no options yet.
    const bool odd = at % 2 != 0;
    const std::uint16_t before = odd ? swapped(mss->value()) : mss->value();
    const std::uint16_t after = odd ? swapped(most) : most;
    *mss = most;
    if (!datagram.offload().needs_checksum) tcp->checksum = update_checksum(tcp->checksum, before, after);
}

}  // namespace weft
