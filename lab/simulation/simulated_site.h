// A simulated weftd: the Datapath and the Handshaker that weftd runs, set up by its configuration
// (site_config.h) as the daemon does it, with one worker. Its underlay is the station of its namespace
// (station.h), its ports are interfaces of stations or ends of links:
//
//   tap, veth   an interface of the station of `netns`, which is a node of the lab; else of its own
//   tun         the same, for datagrams, with the kernel's routes over it
//   packet      the end of a link that has the name of its `device`, past the station's stack
//
// What it does not do: masquerade (that is the kernel's), fragment plain VXLAN, carry flows past itself,
// write to `state_dir` or to the counter files of manual keys. [port.impair] is done, by wires of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lab/network.h"
#include "lab/simulation/simulated_random.h"
#include "lab/simulation/site_config.h"
#include "lab/simulation/station.h"
#include "overlay/datapath.h"
#include "overlay/handshake.h"
#include "overlay/mtu.h"

namespace weft::lab {

// Where the wall clock of a simulation begins: 2000-01-01 00:00:00 UTC, since 1970.
inline constexpr std::chrono::seconds simulated_epoch{946'684'800};

class SimulatedSite {
  public:
    struct Surroundings {
        const Topology& topology;
        PacketPool& pool;
        std::function<Station*(const std::string& node)> station;  // null: there is none
        Station::Send send;                                        // by the end of a link
        std::function<void()> changed;                             // next() has
    };

    // Throws std::runtime_error "site NAME: what: cure" for what cannot be simulated.
    SimulatedSite(SiteConfig site, Surroundings around, Instant start);
    ~SimulatedSite();
    SimulatedSite(const SimulatedSite&) = delete;
    SimulatedSite& operator=(const SimulatedSite&) = delete;

    // When the network has begun: calls its peers.
    void begin(Instant now);

    // A datagram for its namespace. True if it is for a socket of weftd's.
    bool receive(const Received& datagram, Instant now);

    // Frames at the end of a link. True if a packet port has taken them.
    bool receive(EndId end, std::vector<Packet>& frames, Instant now);

    void run(Instant now);

    [[nodiscard]] Instant next() const noexcept;

    [[nodiscard]] NodeIndex node() const noexcept { return site_.node; }

    struct PeerResult {
        std::string name;
        std::uint64_t handshakes = 0;  // completed
        std::uint64_t sent_packets = 0;
        std::uint64_t received_packets = 0;
        std::uint64_t dropped_packets = 0;

        friend bool operator==(const PeerResult&, const PeerResult&) = default;
    };

    [[nodiscard]] std::vector<PeerResult> peers(Instant now) const;

  private:
    struct Input {
        Packet packet;
        PortId port = no_port;  // it came in by; none: by the underlay
        Endpoint from{};
        Channel channel = Channel::esp;
    };

    struct Attached;

    void open_underlay();
    void add_bridges();
    void add_port(const config::Port& port);
    void add_kernel_routes(const config::Port& tun) const;
    void add_routes();
    void add_peers();
    void impair(Attached& attached, const PortLink& link, LinkLayer layer) const;
    [[nodiscard]] Station& home_of(const config::Port& port) const;
    [[nodiscard]] EndId end_of(const config::Port& port) const;
    [[noreturn]] void fail(const std::string& problem) const;

    void offer(PortId port, std::vector<Packet>& packets, Instant now);
    void settle(Instant now);
    void enter(Input& input, Instant now);
    bool take_events(Instant now);
    bool carry_out(Instant now);
    void flush(Instant now);
    void send(const Destination& to, std::span<const std::uint8_t> payload, Instant now);
    void renew_cookies(Instant now);

    [[nodiscard]] Handshaker::WallTime wall(Instant now) const noexcept;

    SiteConfig site_;
    Surroundings around_;
    Instant start_;
    SimulatedRandom random_;
    PathMtu path_;
    Station& home_;
    std::optional<std::size_t> device_;  // the interface of home_ that it sends by; absent: any
    bool has_plain_;                     // peers without encryption
    Datapath datapath_;
    std::optional<Handshaker> handshaker_;  // if it has a key

    std::map<std::string, BridgeId> bridges_;
    std::uint16_t next_port_ = 0;
    std::vector<PortId> tunnels_;                   // by peer, in the order of the configuration
    std::vector<std::unique_ptr<Attached>> ports_;  // by id; null: a leg or a tunnel
    std::map<EndId, PortId> ends_;                  // of packet ports

    std::deque<Input> inputs_;
    bool working_ = false;
    Instant tick_at_;
    Instant cookies_at_ = Instant::max();
};

}  // namespace weft::lab
