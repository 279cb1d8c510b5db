// A simulated host: its interfaces with their addresses, its routes, a neighbor cache for each interface (the
// one of weft's gateways: vswitch/gateway.h), and answers to ARP, neighbor solicitations and pings. It does
// not forward. What else is for it, the simulation's generators take.
//
// An answer takes no time: a ping's round trip is what the links make of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "lab/datagram.h"
#include "lab/network.h"
#include "lab/topology.h"
#include "vswitch/gateway.h"

namespace weft::lab {

class Station {
  public:
    // Gives the frames to the network and leaves none.
    using Send = std::function<void(EndId from, std::vector<Packet>& frames, Instant now)>;
    // A datagram for the station that it does not answer itself.
    using Deliver = std::function<void(const Received& datagram, Instant now)>;

    Station(const Topology& topology, NodeIndex node, Send send, Deliver deliver);

    // How the station reaches an address.
    struct Way {
        std::size_t interface = 0;
        IpAddress source;
        IpAddress next_hop;
        std::uint16_t mtu = 0;
    };

    [[nodiscard]] std::optional<Way> way_to(const IpAddress& destination) const;

    // An address to reach it at, of that family, from that station: one of a network that both are in, or
    // else its first.
    [[nodiscard]] std::optional<IpAddress> address_for(const Station& from, bool v6) const;

    void send(const Way& way, Packet datagram, Instant now);

    // A whole frame, as it is.
    void send_frame(std::size_t interface, Packet frame, Instant now);

    void receive(EndId end, Packet frame, Instant now);

    // Asks neighbors again that have not answered; at next_tick(), Instant::max(): never.
    void tick(Instant now);

    [[nodiscard]] Instant next_tick() const noexcept { return next_tick_; }

    [[nodiscard]] std::size_t interfaces() const noexcept { return interfaces_.size(); }

    [[nodiscard]] const MacAddress& mac(std::size_t interface) const noexcept {
        return interfaces_[interface].gateway->mac();
    }

    [[nodiscard]] std::optional<std::size_t> interface_of(const IpAddress& address) const noexcept;

    [[nodiscard]] std::uint64_t unresolved() const noexcept { return unresolved_; }

  private:
    struct Interface {
        EndId end;
        std::vector<Prefix> addresses;
        std::uint16_t mtu = 0;
        std::unique_ptr<Gateway> gateway;
    };

    struct Path {
        Prefix to;
        std::size_t interface = 0;
        std::optional<IpAddress> via;
    };

    void add_route(const HostRoute& route);
    [[nodiscard]] std::optional<std::size_t> interface_towards(const IpAddress& neighbor) const;
    [[nodiscard]] std::optional<IpAddress> source_towards(std::size_t interface,
                                                          const IpAddress& next_hop) const;
    void flush(const Interface& interface, Instant now);
    void take(Packet datagram, Instant now);

    std::vector<Interface> interfaces_;
    std::vector<std::string> names_;  // of the interfaces
    std::vector<Path> paths_;         // the longest prefix first
    Send send_;
    Deliver deliver_;
    std::vector<Packet> out_;
    Instant next_tick_ = Instant::max();
    Instant asked_{};  // the last time that a datagram had to wait
    std::uint64_t unresolved_ = 0;
};

}  // namespace weft::lab
