// All peers of a worker, and the three ways to find one: by id, by the SPI of a packet that arrived, by the
// address that plain VXLAN came from. Also which peer a routed source address belongs to.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "overlay/peer.h"
#include "vswitch/route_table.h"

namespace weft {

class PeerTable {
  public:
    struct Found {
        Peer* peer = nullptr;
        PeerSession* session = nullptr;
        InboundSa* sa = nullptr;
    };

    Peer& add(Peer peer);
    void remove(PeerId id);

    [[nodiscard]] Peer* find(PeerId id) noexcept;

    // Who seals with this SPI; all null if nobody.
    [[nodiscard]] Found find(Spi spi) noexcept;

    // Counts up when a session goes, and with it what find() returned.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

    // The plain peer at this address.
    [[nodiscard]] Peer* find_plain(const IpAddress& address) noexcept;

    void set_endpoint(Peer& peer, const Endpoint& endpoint);

    // Makes `session` the peer's newest: current if this side may seal with it at once, else next.
    void install(Peer& peer, std::unique_ptr<PeerSession> session, bool current);

    // The `next` session may be used: it becomes the current one.
    void promote_next(Peer& peer) noexcept;

    void retire(Peer& peer) noexcept;               // forgets all its sessions
    void expire(Peer& peer, Instant now) noexcept;  // forgets those that have lived too long

    void allow_source(const Prefix& prefix, PeerId id);
    bool forbid_source(const Prefix& prefix, PeerId id);  // false: it is another's, or nobody's

    // Whether a datagram from `source` may come from this peer (RFC 4301 section 5.2, step 4).
    [[nodiscard]] bool may_send_from(const Peer& peer, const IpAddress& source) const noexcept;

    [[nodiscard]] const std::vector<std::unique_ptr<Peer>>& peers() const noexcept { return peers_; }

  private:
    static void supersede(Peer& peer, std::unique_ptr<PeerSession>& by) noexcept;
    void forget(std::unique_ptr<PeerSession>& session) noexcept;
    void forget_address(const Peer& peer) noexcept;

    std::vector<std::unique_ptr<Peer>> peers_;  // by id; null where there is none
    boost::unordered_flat_map<std::uint32_t, Found> by_spi_;
    boost::unordered_flat_map<IpAddress, Peer*, std::hash<IpAddress>> plain_by_address_;
    PrefixMap<PeerId> sources_;
    std::uint64_t version_ = 0;
};

}  // namespace weft
