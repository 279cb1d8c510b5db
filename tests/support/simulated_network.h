// A network of weft nodes in one process: real Datapaths and Handshakers, real keys, a simulated underlay and
// virtual time.
//
// A Network is a queue of events in order of virtual time: datagrams that arrive, nodes' ticks, handshake
// deadlines, and what a test schedules. Every random choice comes from the seed, so a run is reproducible,
// and trace() (a hash over every delivery, its time and its bytes) says so.
//
// Every datagram of the underlay passes `loss`, `duplication`, `delay` plus a uniform share of `jitter`
// (which reorders), and the NAT of its sender, if it has one: a port-restricted one whose mappings live
// `nat_timeout` after the last packet out.
//
// A node may have several workers, as many datapaths: a packet of the underlay goes to the one that its SPI
// names, what one of them learns is told to the others at once.
//
// A test sees what leaves a node's local ports through Node::on_output, and everything on the underlay
// through Network::on_wire. Every packet that is sealed is watched (seal_watch.h): nonce_reuses(), seals().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <span>
#include <vector>

#include "overlay/datapath.h"
#include "overlay/handshake.h"
#include "tests/support/seal_watch.h"
#include "tests/support/seeded_random.h"

namespace weft::test {

using Bytes = std::vector<std::uint8_t>;

struct LinkOptions {
    double loss = 0;
    double duplication = 0;
    Duration delay = std::chrono::milliseconds{5};
    Duration jitter{0};
    std::size_t mtu = 1500;  // larger packets vanish without a word
};

class Network;

// Where a node hears of a peer that was introduced to it.
struct PeerSetup {
    std::vector<BridgeId> bridges{};
    std::vector<Prefix> prefixes{};
    bool know_endpoint = true;
    bool encrypted = true;
    Duration keepalive{0};
    Duration ask_after{0};
    Secret<32> preshared_key{};
};

class Node {
  public:
    Node(Network& network, std::size_t index, const Endpoint& address, unsigned workers);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    // Everything that is not key material is set up by `configure`, which restart() runs again; once for each
    // worker, whose datapath() and topology() it gets.
    void configure(std::function<void(Node&)> configure);

    // Loses all state but the identity, the configuration and the timestamps, as a daemon does that was
    // killed.
    void restart();

    // Keeps its sessions as well, by what a planned restart hands over.
    void restart_as_planned();

    PeerId add_peer(const Node& other, PeerSetup setup);

    // Of the first worker, when it is not being configured.
    [[nodiscard]] Datapath& datapath() noexcept { return *datapaths_[configured_]; }

    [[nodiscard]] Datapath& datapath(unsigned worker) noexcept { return *datapaths_[worker]; }

    [[nodiscard]] Topology& topology() noexcept { return datapath().topology(); }

    [[nodiscard]] unsigned workers() const noexcept { return static_cast<unsigned>(datapaths_.size()); }

    [[nodiscard]] Handshaker& handshaker() noexcept { return *handshaker_; }

    [[nodiscard]] const PublicKey& public_key() const noexcept { return public_key_; }

    [[nodiscard]] const Endpoint& address() const noexcept { return address_; }

    [[nodiscard]] std::size_t index() const noexcept { return index_; }

    void move_to(const Endpoint& address);

    // A packet from the host behind `port`, read by `worker`.
    void send(PortId port, std::span<const std::uint8_t> bytes, unsigned worker = 0);

    // Any number of datagrams as if they had just arrived from the underlay.
    void receive(Channel channel, const Endpoint& from, std::span<const std::uint8_t> bytes);

    void initiate(PeerId peer);

    // A name service says that the peer is there: it is called at once.
    void relocate(PeerId peer, const Endpoint& endpoint);

    [[nodiscard]] std::uint64_t drops(PortId port, Drop drop) { return topology().port(port).drops[drop]; }

    [[nodiscard]] std::uint64_t underlay_drops(Drop drop) {
        std::uint64_t total = 0;
        for (const auto& datapath : datapaths_) total += datapath->underlay_drops()[drop];
        return total;
    }

    std::function<void(PortId, std::span<const std::uint8_t>)> on_output;

  private:
    friend class Network;

    void boot();
    void renew_cookies();
    void tick();
    void handshake_tick();
    void run_configuration();
    void settle();  // moves events, actions and outboxes on until nothing is left
    bool take_events(unsigned worker);
    void flush(unsigned worker);
    [[nodiscard]] unsigned steer(Channel channel, std::span<const std::uint8_t> bytes) const noexcept;
    void carry_out(Handshaker::Action& action);
    [[nodiscard]] PortId tunnel_of(PeerId peer) const noexcept;

    Network& network_;
    std::size_t index_;
    Endpoint address_;
    PrivateKey identity_;
    PublicKey public_key_;
    SeededRandom random_;
    std::function<void(Node&)> configure_;
    std::unique_ptr<PacketPool> pool_;
    std::vector<std::unique_ptr<Datapath>> datapaths_;  // by worker
    unsigned configured_ = 0;                           // the worker that is
    std::unique_ptr<Handshaker> handshaker_;
    std::map<PublicKey, Timestamp> remembered_;  // as on disk: over restarts
    std::uint16_t next_peer_ = 0;
    std::uint64_t generation_ = 0;  // of the last boot; events of earlier ones are stale
    std::optional<Instant> armed_;  // the handshake deadline that is in the queue
};

class Network {
  public:
    explicit Network(std::uint64_t seed, LinkOptions links = {},
                     Duration tick = std::chrono::milliseconds{250});
    ~Network();

    Node& add_node(unsigned workers = 1);  // at 192.0.2.x:4500 or so
    void put_behind_nat(Node& node, const IpAddress& outside,
                        Duration nat_timeout = std::chrono::seconds{60});
    void forget_nat_mappings();                   // as a NAT does that is restarted
    void forget_nat_mapping(const Node& inside);  // of one node

    void run_for(Duration duration);
    void at(Instant when, std::function<void()> what);

    [[nodiscard]] Instant now() const noexcept { return now_; }

    [[nodiscard]] Handshaker::WallTime wall() const noexcept;

    [[nodiscard]] Node& node(std::size_t index) noexcept { return *nodes_[index]; }

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

    LinkOptions& links() noexcept { return links_; }

    // A peer's tunnel has the peer's id plus this for its id. Ports are walked by each tick: where ticks
    // count, it had better be small.
    std::uint16_t& first_tunnel() noexcept { return first_tunnel_; }

    [[nodiscard]] SeededRandom& random() noexcept { return random_; }

    [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }

    [[nodiscard]] std::uint64_t datagrams() const noexcept { return datagrams_; }

    [[nodiscard]] std::uint64_t nonce_reuses() const noexcept { return seals_.nonce_reuses(); }

    [[nodiscard]] const SealWatch& seals() const noexcept { return seals_; }

    // Sees every datagram that is put on the wire; may change it; false loses it.
    std::function<bool(const Endpoint& from, const Endpoint& to, Channel channel, Bytes& bytes)> on_wire;

    // For nodes.
    void transmit(Node& from, const Endpoint& to, Channel channel, std::span<const std::uint8_t> bytes);
    void schedule_handshake(Node& node);

  private:
    friend class Node;

    struct Event {
        Instant when;
        std::uint64_t order;  // of scheduling: ties are resolved the same way in every run
        std::function<void()> what;
    };

    struct Later {
        bool operator()(const Event& a, const Event& b) const noexcept {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    struct Nat {
        IpAddress outside;
        Duration timeout;
    };

    struct Mapping {
        Endpoint inside;
        Duration timeout;
        Instant last_out;
        std::set<Endpoint> allowed;  // remotes that may answer
    };

    void schedule_tick(Node& node);
    void deliver(const Endpoint& from, const Endpoint& to, Channel channel, const Bytes& bytes);
    Endpoint translate_out(const Node& from, const Endpoint& to);
    Node* find_receiver(const Endpoint& from, const Endpoint& to);

    [[nodiscard]] bool expired(const Mapping& mapping) const noexcept {
        return now_ - mapping.last_out > mapping.timeout;
    }

    void hash(std::span<const std::uint8_t> bytes) noexcept;

    SeededRandom random_;
    LinkOptions links_;
    Duration tick_;
    Instant now_{std::chrono::seconds{1000}};
    std::uint64_t order_ = 0;
    std::uint16_t first_tunnel_ = 1000;
    std::uint64_t trace_ = 0xCBF29CE484222325;
    std::uint64_t datagrams_ = 0;
    SealWatch seals_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::map<Endpoint, Node*> by_address_;
    std::map<const Node*, Nat> nats_;
    std::map<Endpoint, Mapping> mappings_;     // by the endpoint outside
    std::map<Endpoint, Endpoint> translated_;  // inside -> outside
    std::uint16_t next_mapping_ = 20000;
};

}  // namespace weft::test
