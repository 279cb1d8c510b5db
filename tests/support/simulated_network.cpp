#include "tests/support/simulated_network.h"

#include <algorithm>
#include <cstring>

#include "crypto/esp.h"
#include "crypto/x25519.h"
#include "vswitch/mix.h"
#include "vswitch/wire.h"

namespace weft::test {

namespace {

constexpr std::size_t node_pool_packets = 512;  // for each worker
}  // namespace

// ---- Node ----------------------------------------------------------------------------------------

Node::Node(Network& network, std::size_t index, const Endpoint& address, unsigned workers)
    : network_(network),
      index_(index),
      address_(address),
      random_(network.random().next()),
      datapaths_(workers) {
    random_.fill(identity_.writable());
    public_key_ = X25519{identity_}.public_key();
    boot();
}

Node::~Node() = default;

void Node::boot() {
    ++generation_;
    armed_.reset();
    for (auto& datapath : datapaths_) datapath.reset();
    pool_ = std::make_unique<PacketPool>(node_pool_packets * workers());
    for (auto& datapath : datapaths_) {
        datapath = std::make_unique<Datapath>(*pool_);
        if (workers() > 1) datapath->announce_learned();
        datapath->admit_control(public_key_);
    }
    renew_cookies();
    handshaker_ = std::make_unique<Handshaker>(
        identity_, random_,
        HandshakerOptions{.workers = workers(), .newest_timestamp = remembered_[public_key_]});
    if (configure_) run_configuration();
}

// The datapaths' secrets, again and again until the next boot.
void Node::renew_cookies() {
    for (auto& datapath : datapaths_) {
        CookieSecret secret;
        random_.fill(secret.writable());
        datapath->renew_cookies(std::move(secret));
    }
    network_.at(network_.now() + cookie_secret_lifetime, [this, generation = generation_] {
        if (generation == generation_) renew_cookies();
    });
}

void Node::run_configuration() {
    for (configured_ = 0; configured_ < workers(); ++configured_) {
        next_peer_ = 0;
        configure_(*this);
    }
    configured_ = 0;
}

void Node::configure(std::function<void(Node&)> configure) {
    configure_ = std::move(configure);
    run_configuration();
    settle();
}

void Node::restart() {
    boot();
    settle();
}

void Node::restart_as_planned() {
    struct Left {
        std::optional<Endpoint> endpoint;
        std::uint64_t handshakes = 0;
        std::vector<std::vector<CarriedSession>> workers;
    };

    std::vector<Left> all(next_peer_);
    for (std::uint16_t number = 0; number < next_peer_; ++number) {
        const PeerId id{number};
        Left& left = all[number];
        left.endpoint = topology().peers().find(id)->endpoint;
        left.handshakes = handshaker_->status(id).completed;
        for (const auto& datapath : datapaths_) left.workers.push_back(datapath->sessions(id));
    }
    boot();
    for (std::uint16_t number = 0; number < next_peer_; ++number) {
        const PeerId id{number};
        const Left& left = all[number];
        const auto known = resumed(left.workers, left.handshakes);
        if (!known || !left.endpoint) continue;
        handshaker_->resume(id, *known);
        handshaker_->set_endpoint(id, *left.endpoint);
        for (unsigned worker = 0; worker < workers(); ++worker) {
            datapaths_[worker]->set_endpoint(id, *left.endpoint);
            for (const CarriedSession& carried : left.workers[worker])
                datapaths_[worker]->resume(id, carried, network_.now());
        }
    }
    settle();
}

PeerId Node::add_peer(const Node& other, PeerSetup setup) {
    const PeerId peer{next_peer_++};
    const PortId port = tunnel_of(peer);
    const auto endpoint = setup.know_endpoint ? std::optional{other.address()} : std::nullopt;
    topology().add_peer(peer, port,
                        {.encrypted = setup.encrypted,
                         .endpoint = endpoint,
                         .bridges = setup.bridges,
                         .prefixes = setup.prefixes,
                         .routed_mtu = 1438,
                         .path_mtu = std::uint16_t{1500},
                         .probes_path = setup.encrypted,
                         .liveness = {.keepalive = setup.keepalive, .ask_after = setup.ask_after}});
    if (setup.encrypted && configured_ == 0) {
        handshaker_->add_peer(peer, {.public_key = other.public_key(),
                                     .preshared_key = std::move(setup.preshared_key),
                                     .endpoint = endpoint,
                                     .newest_timestamp = remembered_[other.public_key()]});
    }
    return peer;
}

PortId Node::tunnel_of(PeerId peer) const noexcept {
    return PortId{static_cast<std::uint16_t>(network_.first_tunnel() + peer.value())};
}

void Node::move_to(const Endpoint& address) {
    network_.by_address_.erase(address_);
    address_ = address;
    network_.by_address_[address] = this;
}

void Node::send(PortId port, std::span<const std::uint8_t> bytes, unsigned worker) {
    Packet packet = pool_->take(bytes);
    datapaths_[worker]->from_port(port, {&packet, 1}, network_.now());
    settle();
}

// As the kernel does it for the sockets.
unsigned Node::steer(Channel channel, std::span<const std::uint8_t> bytes) const noexcept {
    if (channel != Channel::esp || bytes.size() < sizeof(be32)) return 0;
    return Esp::spi_of(bytes) % workers();
}

void Node::receive(Channel channel, const Endpoint& from, std::span<const std::uint8_t> bytes) {
    const ReceivedTrain train{
        .bytes = bytes, .datagram_size = bytes.size(), .from = from, .channel = channel};
    datapaths_[steer(channel, bytes)]->from_underlay({&train, 1}, network_.now());
    settle();
}

void Node::initiate(PeerId peer) {
    handshaker_->initiate(peer, network_.now(), network_.wall());
    settle();
}

void Node::relocate(PeerId peer, const Endpoint& endpoint) {
    for (const auto& datapath : datapaths_) datapath->set_endpoint(peer, endpoint);
    handshaker_->set_endpoint(peer, endpoint);
    initiate(peer);
}

void Node::tick() {
    for (const auto& datapath : datapaths_) datapath->tick(network_.now());
    settle();
}

void Node::handshake_tick() {
    armed_.reset();
    handshaker_->tick(network_.now(), network_.wall());
    settle();
}

void Node::settle() {
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned worker = 0; worker < workers(); ++worker) busy = take_events(worker) || busy;
        auto actions = handshaker_->take_actions();
        for (auto& action : actions) carry_out(action);
        busy = busy || !actions.empty();
    }
    for (unsigned worker = 0; worker < workers(); ++worker) flush(worker);
    network_.schedule_handshake(*this);
}

bool Node::take_events(unsigned worker) {
    const Instant now = network_.now();
    auto events = std::exchange(datapaths_[worker]->events(), {});
    const auto relay = [&](const auto& news) {
        for (unsigned other = 0; other < workers(); ++other) {
            if (other != worker) datapaths_[other]->tell(news, now);
        }
    };
    for (const Event& event : events) {
        if (const auto* control = std::get_if<ControlReceived>(&event)) {
            const auto drop = handshaker_->receive(control->datagram(), control->from, now, network_.wall());
            if (drop) datapaths_[worker]->underlay_drops().add(*drop);
        } else if (const auto* report = std::get_if<PeerReport>(&event)) {
            PeerActivity activity = report->activity;
            activity.worker = worker;
            handshaker_->report(report->peer, activity, now, network_.wall());
        } else if (const auto* moved = std::get_if<PeerMoved>(&event)) {
            handshaker_->set_endpoint(moved->peer, moved->endpoint);
            relay(*moved);
        } else if (const auto* confirmed = std::get_if<SessionConfirmed>(&event)) {
            relay(*confirmed);
        } else if (const auto* station = std::get_if<StationLearned>(&event)) {
            relay(*station);
        } else if (const auto* neighbor = std::get_if<NeighborLearned>(&event)) {
            relay(*neighbor);
        } else if (const auto* answered = std::get_if<ProbeAnswered>(&event)) {
            relay(*answered);
        }
    }
    return !events.empty();
}

void Node::flush(unsigned worker) {
    Datapath& datapath = *datapaths_[worker];
    for (const PortId port : datapath.ports_with_output()) {
        auto packets = std::exchange(datapath.port_outbox(port), {});
        for (const Packet& packet : packets) {
            if (on_output) on_output(port, packet.bytes());
        }
    }
    datapath.flushed();
    for (const DatagramTrain& train : datapath.underlay_outbox().trains()) {
        each_datagram(train.packet.bytes(), train.datagram_size, [&](std::span<const std::uint8_t> datagram) {
            if (train.to.channel == Channel::esp)
                network_.seals_.sealed(index_, train.to.tunnel, datagram, network_.now());
            network_.transmit(*this, train.to.remote, train.to.channel, datagram);
        });
    }
    datapath.underlay_outbox().clear();
}

void Node::carry_out(Handshaker::Action& action) {
    if (const auto* send = std::get_if<Handshaker::Send>(&action)) {
        datapaths_[0]->send_control(send->to, send->datagram);
    } else if (const auto* install = std::get_if<Handshaker::Install>(&action)) {
        for (unsigned worker = 0; worker < workers(); ++worker) {
            network_.seals_.installed(index_, tunnel_of(install->peer), install->sessions[worker].outbound,
                                      network_.now());
            if (install->moves) datapaths_[worker]->set_endpoint(install->peer, install->endpoint);
            datapaths_[worker]->install(install->peer, install->sessions[worker], network_.now());
        }
        const Session& last = install->sessions.back();
        if (last.initiator) datapaths_.back()->use(install->peer, last.id, network_.now());
    } else if (const auto* remember = std::get_if<Handshaker::Remember>(&action)) {
        remembered_[remember->key] = remember->newest;
    } else if (const auto* retire = std::get_if<Handshaker::Retire>(&action)) {
        for (const auto& datapath : datapaths_) datapath->retire(retire->peer);
    }
}

// ---- Network -------------------------------------------------------------------------------------

Network::Network(std::uint64_t seed, LinkOptions links, Duration tick)
    : random_(seed), links_(links), tick_(tick) {}

Network::~Network() = default;

Node& Network::add_node(unsigned workers) {
    const std::size_t index = nodes_.size();
    const auto high = static_cast<std::uint8_t>(index >> 8U);
    const auto low = static_cast<std::uint8_t>(index);
    const Endpoint address{IpAddress::v4({10, 200, high, low}), 4500};
    nodes_.push_back(std::make_unique<Node>(*this, index, address, workers));
    by_address_[address] = nodes_.back().get();
    schedule_tick(*nodes_.back());
    return *nodes_.back();
}

void Network::put_behind_nat(Node& node, const IpAddress& outside, Duration nat_timeout) {
    nats_[&node] = {outside, nat_timeout};
}

void Network::forget_nat_mappings() {
    mappings_.clear();
    translated_.clear();
}

void Network::forget_nat_mapping(const Node& inside) {
    if (const auto found = translated_.find(inside.address()); found != translated_.end()) {
        mappings_.erase(found->second);
        translated_.erase(found);
    }
}

Handshaker::WallTime Network::wall() const noexcept {
    return Handshaker::WallTime{std::chrono::seconds{1'800'000'000}} +
           std::chrono::duration_cast<Handshaker::WallTime::duration>(now_.time_since_epoch());
}

void Network::run_for(Duration duration) {
    const Instant end = now_ + duration;
    while (!events_.empty() && events_.top().when <= end) {
        auto what = std::move(const_cast<Event&>(events_.top()).what);
        now_ = events_.top().when;
        events_.pop();
        what();
    }
    now_ = end;
}

void Network::at(Instant when, std::function<void()> what) {
    events_.push({when, order_++, std::move(what)});
}

void Network::schedule_tick(Node& node) {
    at(now_ + tick_, [this, &node] {
        node.tick();
        schedule_tick(node);
    });
}

void Network::schedule_handshake(Node& node) {
    const auto deadline = node.handshaker().next_deadline();
    if (!deadline || (node.armed_ && *node.armed_ <= *deadline)) return;
    node.armed_ = deadline;
    at(std::max(*deadline, now_), [this, &node, generation = node.generation_, armed = *deadline] {
        if (node.generation_ == generation && node.armed_ == armed) node.handshake_tick();
    });
}

void Network::transmit(Node& from, const Endpoint& to, Channel channel, std::span<const std::uint8_t> bytes) {
    const Endpoint source = translate_out(from, to);
    Bytes copy(bytes.begin(), bytes.end());
    if (on_wire && !on_wire(source, to, channel, copy)) return;
    constexpr std::size_t outer_headers = 20 + 8;
    if (bytes.size() + outer_headers > links_.mtu) return;
    const int copies = random_.chance(links_.duplication) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        if (random_.chance(links_.loss)) continue;
        const Duration jitter{
            links_.jitter.count() > 0
                ? static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(links_.jitter.count())))
                : 0};
        at(now_ + links_.delay + jitter,
           [this, source, to, channel, copy] { deliver(source, to, channel, copy); });
    }
}

void Network::deliver(const Endpoint& from, const Endpoint& to, Channel channel, const Bytes& bytes) {
    Node* receiver = find_receiver(from, to);
    if (receiver == nullptr) return;
    ++datagrams_;
    const auto when = now_.time_since_epoch().count();
    std::array<std::uint8_t, sizeof(when)> stamp{};
    std::memcpy(stamp.data(), &when, sizeof(when));
    hash(stamp);
    hash(bytes);
    receiver->receive(channel, from, bytes);
}

// A node that moved is found at its new address only.
Node* Network::find_receiver(const Endpoint& from, const Endpoint& to) {
    Endpoint inside = to;
    if (const auto found = mappings_.find(to); found != mappings_.end()) {
        if (expired(found->second) || !found->second.allowed.contains(from)) return nullptr;
        inside = found->second.inside;
    }
    const auto node = by_address_.find(inside);
    if (node == by_address_.end()) return nullptr;
    const bool direct = inside == to;
    if (direct && nats_.contains(node->second)) return nullptr;  // nobody reaches an inside address
    return node->second;
}

Endpoint Network::translate_out(const Node& from, const Endpoint& to) {
    const auto nat = nats_.find(&from);
    if (nat == nats_.end()) return from.address();
    if (const auto known = translated_.find(from.address()); known != translated_.end()) {
        Mapping& mapping = mappings_.at(known->second);
        if (!expired(mapping) && known->second.address == nat->second.outside) {
            mapping.last_out = now_;
            mapping.allowed.insert(to);
            return known->second;
        }
        forget_nat_mapping(from);
    }
    const Endpoint outside{nat->second.outside, next_mapping_++};
    mappings_[outside] = {from.address(), nat->second.timeout, now_, {to}};
    translated_[from.address()] = outside;
    return outside;
}

void Network::hash(std::span<const std::uint8_t> bytes) noexcept {
    for (const auto byte : bytes) trace_ = (trace_ ^ byte) * 0x100000001B3;
}

}  // namespace weft::test
