// How much of the underlay's MTU is left inside a tunnel. All sizes are of IP datagrams, in bytes, as
// interface MTUs are.
//
//   outer IP (20 / 40) | UDP (8) | ESP header and IV (16) | payload | padding, pad length, next header | ICV
//   (16)
//
// The payload and its two trailer bytes end on a multiple of 4 (RFC 4303 section 2.4). For a routed datagram
// the payload is the datagram; for a bridged one it is UDP (8), VXLAN (8), Ethernet (14), an 802.1Q tag (4,
// where a bridge carries VLANs) and the datagram.
#pragma once

#include <cstdint>

#include "crypto/esp.h"
#include "overlay/vxlan.h"

namespace weft {

struct PathMtu {
    std::uint16_t underlay = 1500;  // of the path between the nodes
    bool ipv6 = false;              // the outer header is, or may become, IPv6

    // A datagram routed to a peer, sealed.
    [[nodiscard]] constexpr std::uint16_t routed() const noexcept { return sealed_payload(); }

    // A datagram in a frame bridged to a peer, sealed.
    [[nodiscard]] constexpr std::uint16_t bridged(bool tagged) const noexcept {
        return minus(sealed_payload(), vxlan_udp_header_size + vxlan_header_size + l2_header(tagged));
    }

    // A datagram in a frame bridged to a peer without encryption.
    [[nodiscard]] constexpr std::uint16_t bridged_plain(bool tagged) const noexcept {
        return minus(room(), vxlan_header_size + l2_header(tagged));
    }

    // UDP payload.
    [[nodiscard]] constexpr std::uint16_t room() const noexcept {
        return minus(underlay, (ipv6 ? std::size_t{40} : std::size_t{20}) + 8);
    }

  private:
    static constexpr std::size_t l2_header(bool tagged) noexcept { return tagged ? 18 : 14; }

    static constexpr std::uint16_t minus(std::size_t size, std::size_t overhead) noexcept {
        return static_cast<std::uint16_t>(size > overhead ? size - overhead : 0);
    }

    [[nodiscard]] constexpr std::uint16_t sealed_payload() const noexcept {
        const std::size_t text = minus(room(), Esp::header_size + aead_tag_size) & ~std::size_t{3};
        return minus(text, 2);
    }
};

static_assert(PathMtu{1500, false}.routed() == 1438);
static_assert(PathMtu{1500, false}.bridged(false) == 1408);
static_assert(PathMtu{1500, false}.bridged_plain(false) == 1450);

}  // namespace weft
