// The router's leg on a bridge: a MAC address and IP addresses of its own, ARP (RFC 826) and IPv6 neighbor
// discovery (RFC 4861) towards the stations there. It takes frames that the bridge forwards to the leg's
// port, and makes frames of datagrams that the router sends out of it. Frames that the leg itself originates
// (answers, requests) come back in `out` vectors, for the bridge to forward as if they had come from the
// leg's port.
//
// Neighbor entries are bounded in number, and so are the packets that wait for one; neither a scan nor forged
// requests push out those that are resolved (neighbor_table.h). Unanswered requests are repeated each second,
// three times. An entry that was confirmed too long ago is used on while a unicast request asks whether it is
// still true, and dropped if three of those stay unanswered.
//
// What is believed: a station that asks for us is learned (unconfirmed) if its address is in one of our
// networks. An answer, solicited or not, changes an entry that exists, and makes none. Of neighbor discovery
// only what has crossed no router (hop limit 255) and has a correct checksum is looked at. Router discovery
// is not spoken.
//
// It knows nothing of VLANs: a leg is a member for untagged frames, and whoever drives it keeps tagged ones
// away.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <utility>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/drop.h"
#include "vswitch/flow.h"
#include "vswitch/id.h"
#include "vswitch/neighbor_discovery.h"
#include "vswitch/neighbor_table.h"
#include "vswitch/packet.h"

namespace weft {

class Gateway {
  public:
    using Limits = NeighborLimits;

    // `addresses` are interface addresses ("10.10.0.1/24"). The IPv6 link-local address is derived from
    // `mac`. A neighbor that is somewhere else, or gone, raises `generation`.
    Gateway(const MacAddress& mac, std::vector<Prefix> addresses, const Limits& limits,
            Generations* generations = nullptr, Generations::Index generation = Generations::never);

    [[nodiscard]] const MacAddress& mac() const noexcept { return mac_; }

    // fe80::/64 and the modified EUI-64 of the MAC address (RFC 4291 appendix A).
    [[nodiscard]] const IpAddress& link_local() const noexcept { return link_local_; }

    struct Received {
        enum class Action : std::uint8_t { route, answer, consumed, drop };

        Action action = Action::drop;
        Drop reason{};
    };

    // A frame for the leg (its MAC address or a group):
    //   route     the Ethernet header was pulled, the datagram is for the router (and not looked at beyond
    //   its addresses) answer    `frame` was replaced by the answer (ARP reply, neighbor advertisement): to
    //   be bridged from the leg's port consumed  it was an answer to us, or a frame of no interest drop
    //   malformed, or of a protocol that is not spoken here
    // Datagrams that waited for what the frame tells are, as frames, in `out`, also with an answer.
    Received receive(Packet& frame, const Classified& what, Instant now, std::vector<Packet>& out) noexcept;

    // Sends a datagram to `next_hop`: pushes the Ethernet header if its MAC address is known (then the frame
    // is in `out`), else parks the datagram, and if it is time to, puts a request frame into `out`. A Drop if
    // it cannot wait.
    std::expected<void, Drop> send(Packet datagram, const IpAddress& next_hop, Instant now,
                                   std::vector<Packet>& out) noexcept;

    // Datagrams go to `next_hop` past this gateway: what send() would have asked its station is in `out`, in
    // a buffer of `pool`'s.
    void in_use(const IpAddress& next_hop, PacketPool& pool, Instant now, std::vector<Packet>& out) noexcept;

    // Repeats requests (into `out`); datagrams whose neighbor never answered go to `failed`, for ICMP to
    // report.
    void tick(Instant now, std::vector<Packet>& out, std::vector<Packet>& failed) noexcept;

    // What receive() was told about a neighbor. The answer to a request of ours may come in elsewhere: on
    // another worker, whose leg never asked.
    struct News {
        IpAddress address;
        MacAddress mac;
        bool confirmed = false;  // an answer to us
    };

    // Of the last frame received.
    [[nodiscard]] std::optional<News> take_news() noexcept { return std::exchange(news_, std::nullopt); }

    // What another worker's leg was told; changes an entry that exists. Datagrams that waited for it come out
    // as frames.
    void learn(const News& news, Instant now, std::vector<Packet>& out) noexcept;

    struct Neighbor {
        IpAddress address;
        MacAddress mac;  // zero while it is not known
        bool reachable = false;
    };

    [[nodiscard]] std::vector<Neighbor> neighbors() const;  // for display; allocates

  private:
    using Entry = NeighborTable::Entry;

    [[nodiscard]] bool is_own(const IpAddress& address) const noexcept;
    [[nodiscard]] bool is_on_link(const IpAddress& address) const noexcept;
    [[nodiscard]] const IpAddress* source_towards(const IpAddress& next_hop) const noexcept;

    Received receive_arp(Packet& frame, Instant now, std::vector<Packet>& out) noexcept;
    Received receive_discovery(Packet& frame, const Classified& what, Instant now,
                               std::vector<Packet>& out) noexcept;
    Received answer(Packet& frame, const NeighborMessage& solicitation, Instant now,
                    std::vector<Packet>& out) noexcept;
    void hear(const NeighborMessage& advertisement, Instant now, std::vector<Packet>& out) noexcept;

    enum class Unknown : std::uint8_t { ignore, learn };
    void note(const IpAddress& address, const MacAddress& mac, Unknown unknown, Instant now,
              std::vector<Packet>& out) noexcept;
    void settle(Entry& entry, const MacAddress& mac, bool confirmed, Instant now,
                std::vector<Packet>& out) noexcept;

    [[nodiscard]] bool is_due(const Entry& entry, Instant now) const noexcept;
    void ask(Entry& entry, const Packet& pool, Instant now, std::vector<Packet>& out) noexcept;
    void probe(Entry& entry, const Packet& pool, Instant now, std::vector<Packet>& out) noexcept;
    void push_ethernet(Packet& datagram, const MacAddress& destination) const noexcept;

    MacAddress mac_;
    IpAddress link_local_;
    std::vector<Prefix> addresses_;
    Limits limits_;
    NeighborTable neighbors_;
    std::optional<News> news_;
};

}  // namespace weft
