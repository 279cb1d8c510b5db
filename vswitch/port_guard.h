// What may come from a port that belongs to one station: only that station's MAC address and IP addresses are
// sources, and only what a host says, not a router or a DHCP server.
//
//   spoofed_mac           another source MAC address
//   spoofed_ip            another IPv4 or IPv6 source; fragments are checked like whole datagrams
//   spoofed_arp           ARP of any kind (gratuitous too) from another sender; a probe for another's address
//   spoofed_nd            a neighbor or router solicitation or advertisement from another source, with
//                         another's link-layer address, or for another's target where that is a claim; any in
//                         fragments (RFC 6980)
//   router_advertisement  router advertisements and redirects
//   dhcp_server           UDP from port 67 (IPv4) or 547 (IPv6)
//   truncated, malformed  IP and ARP that cannot be read, so that nobody else reads what was not seen here:
//   also
//                         fragments that begin without their whole transport header (RFC 7112, RFC 1858)
//
// Own sources are the port's addresses and, of IPv6, fe80::/64 with the modified EUI-64 of its MAC address:
// any other link-local address would let it ask in a router's name. Without an address yet: 0.0.0.0 for a
// DHCP client (RFC 2131) and ARP probes (RFC 5227), :: for duplicate address detection, router solicitations
// and MLD reports (RFC 4862, RFC 4861, RFC 3590). A station that lives on addresses that nobody has told the
// guard (a lease, SLAAC, privacy extensions) is not heard.
//
// Receivers look through nested VLAN tags and LLC/SNAP headers that a bridge leaves alone, some of them at
// least, so these are looked through here.
//
// Of a packet whose flow the flow table follows (FlowTable::follows) the answer depends on nothing but its
// FlowKey: who repeats a verdict for that key need not ask again. What else matters is never followed:
// neighbor discovery, ARP, fragments.
//
// It holds nothing of a packet, allocates nothing after construction, and searches a short list: it is meant
// for a handful of addresses. Shared by none, changed by none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"

namespace weft {

class PortGuard {
  public:
    PortGuard(const MacAddress& mac, std::vector<IpAddress> addresses);

    // Why the frame may not come from this port; nothing if it may. `what` is what classify_frame() says of
    // it, its outer tag popped.
    [[nodiscard]] std::optional<Drop> check(std::span<const std::uint8_t> frame,
                                            const Classified& what) const noexcept;

    [[nodiscard]] const MacAddress& mac() const noexcept { return mac_; }

    // With the link-local one.
    [[nodiscard]] std::span<const IpAddress> addresses() const noexcept { return addresses_; }

  private:
    using Bytes = std::span<const std::uint8_t>;

    [[nodiscard]] std::optional<Drop> check_arp(Bytes arp) const noexcept;
    [[nodiscard]] std::optional<Drop> check_ip(Bytes packet, const Classified& what) const noexcept;
    [[nodiscard]] std::optional<Drop> check_discovery(Bytes packet, const Classified& what,
                                                      std::uint8_t type) const noexcept;
    [[nodiscard]] std::optional<Drop> check_options(Bytes options) const noexcept;
    [[nodiscard]] bool is_own(const IpAddress& address) const noexcept;

    MacAddress mac_;
    std::vector<IpAddress> addresses_;  // with the link-local one
};

}  // namespace weft
