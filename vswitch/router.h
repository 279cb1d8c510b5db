// A router for IPv4 (RFC 1812) and IPv6 (RFC 8200): longest-prefix match, TTL, ICMP. Like the bridge it holds
// no packets and writes to nothing: route() says where a datagram goes, having made of it what goes there.
//
// A datagram that cannot be forwarded is, where the RFCs allow it, *replaced in place* by the ICMP error that
// goes back to its sender (RFC 1812 section 4.3.2, RFC 4443 section 2.4: never about an error, a fragment, a
// group or an unspecified source; rate limited by a token bucket). A ping to one of the router's own
// addresses is replaced by its reply; its fragments are not reassembled. An error that is withheld (by the
// rate limit, or as there is no way back) leaves the drop of the original, with the original's reason.
//
// The source of an error is, in this order: the address that was written to; an address of the leg on which
// the original came in; an address of any leg; of a device other than the one by which the error leaves
// (whose kernel would take it for its own); for IPv4 the dummy address 192.0.0.8 (RFC 7600 section 4.8), for
// IPv6 there is then no error.
//
// Never forwarded, and silently dropped: from or to addresses of loopback, link-local scope, groups (there is
// no multicast routing), broadcast, also of a leg's own network, and the unspecified address; and what would
// go back to the device or tunnel that it came from. Back out of a leg is legal: stations of one bridge may
// be in different networks.
//
// A TCP connection that is opened through the router is told a maximum segment size that both ports' MTU has
// room for (mss_clamp.h), since not every host hears of "too big".
//
// Routes: a prefix has one. One that was added explicitly stands before a connected one of the same prefix,
// which comes back when it is removed. A route with `via` and no port follows the route of `via`, one level,
// at lookup.
//
// Ports of the router:
//   device   a TUN: the kernel at its other end owns `addresses`, the router does not answer for them
//   tunnel   a peer
//   leg      a gateway on a bridge: the router itself owns `addresses` there (gateway.h resolves neighbors)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/icmp.h"
#include "vswitch/id.h"
#include "vswitch/packet.h"
#include "vswitch/route_table.h"
#include "vswitch/token_bucket.h"

namespace weft {

struct RouterPort {
    enum class Kind : std::uint8_t { device, tunnel, leg };

    PortId port;
    Kind kind;
    std::uint16_t mtu;  // largest datagram in bytes
    // Interface addresses; their networks are connected routes (device, leg). A leg's link-local address
    // belongs here, too: it is answered for, on this leg only.
    std::vector<Prefix> addresses;
};

struct RouteVerdict {
    enum class Action : std::uint8_t { drop, forward, fragment };

    Action action = Action::drop;
    // drop: why. Otherwise set if the datagram was replaced by an ICMP error: why the original was not
    // delivered.
    std::optional<Drop> reason{};
    PortId out = no_port;
    IpAddress next_hop{};   // on a leg: whose MAC address to resolve
    std::uint16_t mtu = 0;  // fragment: an IPv4 datagram without DF that is larger than this
};

class Router {
  public:
    Router();

    void add_port(const RouterPort& port);  // with its connected routes; replaces the port with the same id
    void remove_port(PortId port);          // with every route through it
    void set_mtu(PortId port, std::uint16_t mtu) noexcept;

    void add_route(const Route& route);  // replaces a route to the same prefix
    void remove_route(const Prefix& to);

    // `datagram` begins with the IP header that `what` describes (whose offsets may count from an Ethernet
    // header that was pulled since) and loses what lies behind its IP length. Never returns `forward` for a
    // datagram larger than the MTU of `out`, unless it is a super-frame whose segments fit.
    RouteVerdict route(Packet& datagram, const Classified& what, PortId in, Instant now) noexcept;

    // Replaces a datagram whose next hop on `leg` did not answer by host / address unreachable, as route()
    // would.
    RouteVerdict unreachable(Packet& datagram, PortId leg, Instant now) noexcept;

    [[nodiscard]] const RouteTable& routes() const noexcept { return routes_; }

    [[nodiscard]] std::uint16_t mtu(PortId port) const noexcept;  // 0: there is no such port

    // Where datagrams for `destination` go on a leg: whose MAC address they need.
    [[nodiscard]] std::optional<IpAddress> next_hop(const IpAddress& destination) const noexcept;

  private:
    // An address at which the router is asked itself, or that no datagram is ever forwarded to.
    enum class Local : std::uint8_t { own, broadcast };

    struct Hop {
        const RouterPort* port = nullptr;
        IpAddress next_hop;
    };

    [[nodiscard]] const RouterPort* find_port(PortId id) const noexcept;
    void disconnect(PortId id);
    void connect_all();

    [[nodiscard]] bool is_own(const IpAddress& address, PortId in) const noexcept;
    [[nodiscard]] bool is_forwardable(const FlowKey& flow) const noexcept;
    [[nodiscard]] std::optional<Hop> resolve(const IpAddress& destination) const noexcept;
    [[nodiscard]] std::optional<Hop> resolve_reply(const IpAddress& destination, PortId in) const noexcept;
    [[nodiscard]] std::optional<IpAddress> error_source(const Classified& what, PortId in,
                                                        PortId out) const noexcept;

    RouteVerdict deliver(Packet& datagram, const Classified& what, PortId in, Instant now) noexcept;
    RouteVerdict report(Packet& datagram, const Classified& what, PortId in, Instant now, Drop reason,
                        IcmpError error) noexcept;

    std::vector<std::optional<RouterPort>> ports_;  // by id
    PrefixMap<Local> local_;                        // full-length prefixes of all legs
    RouteTable routes_;
    TokenBucket icmp_errors_;
};

}  // namespace weft
