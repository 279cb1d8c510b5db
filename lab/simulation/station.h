// A simulated host, or the namespace of a simulated weftd: its interfaces with their addresses, its routes, a
// neighbor cache for each interface (the one of weft's gateways: vswitch/gateway.h), and answers to ARP,
// neighbor solicitations and pings. What else is for it, the simulation's generators and weftd take. Where
// its sysctls say so, it forwards, as a router of weft's does (vswitch/router.h).
//
// An answer takes no time: a ping's round trip is what the links make of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/network.h"
#include "lab/simulation/datagram.h"
#include "lab/topology.h"
#include "vswitch/gateway.h"
#include "vswitch/router.h"

namespace weft::lab {

class Station {
  public:
    // Gives the frames to the network and leaves none.
    using Send = std::function<void(EndId from, std::vector<Packet>& frames, Instant now)>;
    // A datagram for the station that it does not answer itself.
    using Deliver = std::function<void(const Received& datagram, Instant now)>;

    Station(const Topology& topology, NodeIndex node, const Send& send, Deliver deliver);

    // An interface that is no end of a link: a port of a weftd's. `output` is given what is sent by it, and
    // leaves none.
    struct Port {
        std::string name;
        std::optional<MacAddress> mac;  // absent: a TUN, for datagrams
        std::vector<Prefix> addresses;
        std::uint16_t mtu = 1500;
        std::function<void(std::vector<Packet>& packets, Instant now)> output;
    };

    std::size_t add_interface(Port port);  // returns its index

    // One that leads by an interface that is not there yet waits for it.
    void add_route(const HostRoute& route);

    // What still waits.
    [[nodiscard]] const std::vector<HostRoute>& waiting_routes() const noexcept { return waiting_; }

    // How the station reaches an address.
    struct Way {
        std::size_t interface = 0;
        IpAddress source;
        IpAddress next_hop;
        std::uint16_t mtu = 0;
    };

    // `by`: by that interface only. From an address of the interface if it has one, else from the station's
    // first, as Linux does.
    [[nodiscard]] std::optional<Way> way_to(const IpAddress& destination,
                                            std::optional<std::size_t> by = std::nullopt) const;

    // An address to reach it at, of that family, from that station: one of a network that both are in, or
    // else its first.
    [[nodiscard]] std::optional<IpAddress> address_for(const Station& from, bool v6) const;

    void send(const Way& way, Packet datagram, Instant now);

    // A whole frame, as it is.
    void send_frame(std::size_t interface, Packet frame, Instant now);

    void receive(EndId end, Packet frame, Instant now);
    void receive(std::size_t interface, Packet packet, Instant now);

    // Asks neighbors again that have not answered; at next_tick(), Instant::max(): never.
    void tick(Instant now);

    [[nodiscard]] Instant next_tick() const noexcept { return next_tick_; }

    [[nodiscard]] std::size_t interfaces() const noexcept { return interfaces_.size(); }

    [[nodiscard]] const MacAddress& mac(std::size_t interface) const noexcept {
        return interfaces_[interface].gateway->mac();  // one for frames
    }

    [[nodiscard]] std::optional<std::size_t> interface_of(const IpAddress& address) const noexcept;
    [[nodiscard]] std::optional<std::size_t> interface_named(const std::string& name) const noexcept;

    [[nodiscard]] std::uint16_t mtu(std::size_t interface) const noexcept {
        return interfaces_[interface].port.mtu;
    }

    [[nodiscard]] std::uint64_t unresolved() const noexcept { return unresolved_; }

  private:
    struct Interface {
        std::optional<EndId> end;  // of a link
        Port port;
        std::unique_ptr<Gateway> gateway;  // of one for frames
    };

    struct Path {
        Prefix to;
        std::size_t interface = 0;
        std::optional<IpAddress> via;
    };

    [[nodiscard]] std::optional<std::size_t> interface_towards(const IpAddress& neighbor) const;
    [[nodiscard]] std::optional<IpAddress> source_towards(std::size_t interface,
                                                          const IpAddress& next_hop) const;
    void add_path(const Path& path);
    void read_sysctls(const std::map<std::string, std::string>& sysctl);
    void flush(const Interface& interface, Instant now);
    void take(std::size_t interface, Packet datagram, Instant now);
    void forward(std::size_t in, Packet datagram, const Classified& what, Instant now);
    [[nodiscard]] weft::Router& forwarder();

    std::vector<Interface> interfaces_;
    std::vector<Path> paths_;  // the longest prefix first
    std::vector<HostRoute> waiting_;
    bool forwards_v4_ = false;
    bool forwards_v6_ = false;
    std::optional<weft::Router>
        forwarder_;  // made when it is first needed; its ports are the interfaces' indices
    Deliver deliver_;
    std::vector<Packet> out_;
    Instant next_tick_ = Instant::max();
    Instant asked_{};  // the last time that a datagram had to wait
    std::uint64_t unresolved_ = 0;
};

}  // namespace weft::lab
