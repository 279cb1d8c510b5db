#include "lab/simulation/simulated_site.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "cli/datapath_options.h"
#include "cli/kernel_routes.h"
#include "cli/paths.h"
#include "lab/simulation/datagram.h"
#include "overlay/cookie.h"
#include "vswitch/emulation/wire.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr Duration tick_interval = 200ms;  // as weftd's
constexpr std::uint32_t flows = 1024;

// Not by speed, which would differ from one machine to the next.
constexpr std::array ciphers{Cipher::aes_128_gcm, Cipher::chacha20_poly1305, Cipher::aes_256_gcm};

// RFC 7348 section 5: from the dynamic ports, by the inner flow.
std::uint16_t vxlan_source(std::uint32_t flow_hash) noexcept {
    constexpr std::uint16_t first = 49152;
    return static_cast<std::uint16_t>(first + flow_hash % Outbox::vxlan_sources);
}

PathMtu path_of(const config::Config& config, const Station& home) {
    const auto of_device = [&](const std::string& device) -> std::optional<std::uint16_t> {
        const auto interface = home.interface_named(device);
        return interface ? std::optional{home.mtu(*interface)} : std::nullopt;
    };
    const auto of_route = [&](const IpAddress& to) -> std::optional<std::uint16_t> {
        const auto way = home.way_to(to);
        return way ? std::optional{way->mtu} : std::nullopt;
    };
    return find_path_mtu(config, {.of_device = of_device, .of_route = of_route});
}

// "/run/netns/NAME" is that of a node as well.
std::string node_of(const std::string& netns) {
    return std::filesystem::path(netns).filename().string();
}

}  // namespace

// What is on the other side of a port's device.
struct SimulatedSite::Attached {
    std::string name;
    std::function<void(std::vector<Packet>& packets, Instant now)> deliver{};

    struct Link {
        Wire in;
        Wire out;
    };

    std::optional<Link> link{};  // of an impaired port
};

SimulatedSite::SimulatedSite(SiteConfig site, Surroundings around, Instant start)
    : site_(std::move(site)),
      around_(std::move(around)),
      start_(start),
      random_(around_.topology.seed, around_.topology.nodes[site_.node].name, "weftd"),
      home_(*around_.station(around_.topology.nodes[site_.node].name)),
      has_plain_(std::ranges::any_of(site_.config.peers, &config::Peer::is_plain)),
      datapath_(around_.pool, {.flows = flows}),
      tick_at_(start + tick_interval) {
    const config::Config& config = site_.config;
    open_underlay();
    if (config.node.private_key) {
        handshaker_.emplace(*config.node.private_key, random_,
                            HandshakerOptions{.ciphers = {ciphers.begin(), ciphers.end()}});
        datapath_.admit_control(config.node.public_key);
        renew_cookies(start);
    }
    for (const Prefix& prefix : config.underlay.deny) datapath_.denied().add(prefix);
    add_bridges();
    add_peers();
    for (const config::Port& port : config.ports) add_port(port);
    add_routes();
}

SimulatedSite::~SimulatedSite() = default;

void SimulatedSite::fail(const std::string& problem) const {
    throw std::runtime_error(fmt::format("site {}: {}", around_.topology.nodes[site_.node].name, problem));
}

// ---- From its configuration -----------------------------------------------------------------------

// As far as the kernel would refuse it.
void SimulatedSite::open_underlay() {
    const config::Underlay& underlay = site_.config.underlay;
    if (underlay.device) {
        device_ = home_.interface_named(*underlay.device);
        if (!device_) {
            fail(
                fmt::format("[underlay] device {}: no link of the lab ends there: correct it, or give it a "
                            "[[link]] with the end \"{}:{}\"",
                            *underlay.device, around_.topology.nodes[site_.node].name, *underlay.device));
        }
    }
    const auto check = [&](const char* key, const Endpoint& own) {
        if (own.address.is_unspecified() || home_.interface_of(own.address)) return;
        fail(fmt::format(
            "[underlay] {} = \"{}\" is none of its addresses: correct it, or add it to a [[link]]", key,
            own.to_string()));
    };
    check("esp", underlay.esp);
    if (has_plain_) check("vxlan", underlay.vxlan);
    path_ = path_of(site_.config, home_);
}

void SimulatedSite::add_bridges() {
    std::uint16_t next = 0;
    for (const config::Bridge& bridge : site_.config.bridges) {
        const BridgeId id{next++};
        bridges_.emplace(bridge.name, id);
        datapath_.topology().add_bridge(id, bridge_options(bridge));
        if (bridge.gateway.empty()) continue;
        datapath_.topology().add_leg(PortId{next_port_++}, id, leg_options(site_.config, bridge, path_));
    }
}

void SimulatedSite::add_peers() {
    std::uint16_t next = 0;
    for (const config::Peer& peer : site_.config.peers) {
        const PeerId id{next++};
        PeerOptions options = peer_options(peer, path_);
        for (const std::string& bridge : peer.bridges) options.bridges.push_back(bridges_.at(bridge));
        const PortId tunnel{next_port_++};
        tunnels_.push_back(tunnel);
        datapath_.topology().add_peer(id, tunnel, options);
        if (peer.is_plain() || peer.manual || !handshaker_) continue;
        handshaker_->add_peer(
            id, {.public_key = peer.public_key,
                 .preshared_key = peer.preshared_key ? peer.preshared_key->clone() : PresharedKey{},
                 .endpoint = std::nullopt});
    }
}

void SimulatedSite::add_port(const config::Port& port) {
    const PortId id{next_port_++};
    ports_.resize(next_port_);
    auto& attached = ports_[id.value()] = std::make_unique<Attached>(Attached{.name = port.name});
    const auto mac = device_mac(site_.config, port);
    const std::uint16_t mtu = device_mtu(site_.config, port, path_);
    if (port.type == config::Port::Type::packet) {
        const EndId end = end_of(port);
        ends_.emplace(end, id);
        attached->deliver = [this, end](std::vector<Packet>& frames, Instant now) {
            around_.send(end, frames, now);
        };
    } else {
        Station& home = home_of(port);
        if (home.interface_named(port.device)) {
            fail(
                fmt::format("port {}: there is an interface {} already, where it would be made: name its "
                            "`device` differently",
                            port.name, port.device));
        }
        const std::size_t interface = home.add_interface(
            {.name = port.device,
             .mac = mac,
             .addresses = port.address,
             .mtu = mtu,
             .output = [this, id](std::vector<Packet>& packets, Instant now) { offer(id, packets, now); }});
        attached->deliver = [&home, interface](std::vector<Packet>& packets, Instant now) {
            for (Packet& packet : packets) home.receive(interface, std::move(packet), now);
            packets.clear();
        };
    }
    const bool is_tun = port.type == config::Port::Type::tun;
    if (is_tun) {
        datapath_.topology().add_datagram_device(id, port.address, mtu);
        if (port.kernel_routes) add_kernel_routes(port);
    } else {
        datapath_.topology().add_frame_device(id, bridges_.at(*port.bridge), frame_device_options(port, mac));
    }
    if (port.impair) impair(*attached, *port.impair, is_tun ? LinkLayer::none : LinkLayer::ethernet);
}

void SimulatedSite::add_kernel_routes(const config::Port& tun) const {
    for (const Prefix& prefix : routes_over(site_.config, tun))
        home_of(tun).add_route({.to = prefix, .via = std::nullopt, .device = tun.device});
}

// By wires of the same names as those of a real port, and so the same choices.
void SimulatedSite::impair(Attached& attached, const PortLink& link, LinkLayer layer) const {
    const std::string in = fmt::format("port {} in", attached.name);
    const std::string out = fmt::format("port {} out", attached.name);
    attached.link.emplace(Attached::Link{
        .in = Wire{link.in, Wire::Identity{.seed = link.seed, .name = in, .link = layer}, start_},
        .out = Wire{link.out, Wire::Identity{.seed = link.seed, .name = out, .link = layer}, start_}});
}

Station& SimulatedSite::home_of(const config::Port& port) const {
    if (!port.netns) return home_;
    if (Station* station = around_.station(node_of(*port.netns))) return *station;
    fail(
        fmt::format("port {} is in the network namespace {}, and the lab has no host or site of that name: "
                    "name a host like that",
                    port.name, *port.netns));
}

EndId SimulatedSite::end_of(const config::Port& port) const {
    const Topology& topology = around_.topology;
    const std::string node = port.netns ? node_of(*port.netns) : topology.nodes[site_.node].name;
    for (LinkIndex link = 0; link < topology.links.size(); ++link) {
        for (std::uint8_t which = 0; which < 2; ++which) {
            const LinkEnd& end = topology.links[link].ends[which];
            if (end.interface == port.device && topology.nodes[end.node].name == node)
                return {.link = link, .which = which};
        }
    }
    fail(
        fmt::format("port {} is on the device {} of {}, where no link of the lab ends: give it a [[link]] "
                    "with the end \"{}:{}\"",
                    port.name, port.device, node, node, port.device));
}

void SimulatedSite::add_routes() {
    const config::Config& config = site_.config;
    for (const config::Route& route : config.routes) {
        Route added{.to = route.to, .out = no_port, .via = route.via, .origin = Route::Origin::configured};
        if (route.peer) {
            const auto peer = std::ranges::find(config.peers, *route.peer, &config::Peer::name);
            added.out = tunnels_[static_cast<std::size_t>(peer - config.peers.begin())];
        }
        if (route.port) {
            const auto is_it = [&](const auto& port) { return port && port->name == *route.port; };
            const auto found = std::ranges::find_if(ports_, is_it);
            added.out = PortId{static_cast<std::uint16_t>(found - ports_.begin())};
        }
        datapath_.topology().add_route(added);
    }
}

void SimulatedSite::begin(Instant now) {
    for (std::size_t i = 0; i < site_.config.peers.size(); ++i) {
        const config::Peer& peer = site_.config.peers[i];
        const PeerId id{static_cast<std::uint16_t>(i)};
        if (peer.manual) {
            const ManualSession session{.outbound = peer.manual->outbound.clone(),
                                        .inbound = peer.manual->inbound.clone(),
                                        .limit = std::numeric_limits<std::uint32_t>::max()};
            datapath_.install_manual(id, session, now);
        }
        const auto address = peer.endpoint_host ? IpAddress::parse(*peer.endpoint_host) : std::nullopt;
        if (!address) continue;  // a name is not left: load_sites()
        const Endpoint endpoint{*address, peer.endpoint_port};
        datapath_.set_endpoint(id, endpoint);
        if (peer.is_plain() || peer.manual || !handshaker_) continue;
        handshaker_->set_endpoint(id, endpoint);
        handshaker_->initiate(id, now, wall(now));
    }
    settle(now);
}

// ---- Packets --------------------------------------------------------------------------------------

// From the device of a port.
void SimulatedSite::offer(PortId id, std::vector<Packet>& packets, Instant now) {
    Attached& port = *ports_[id.value()];
    if (port.link) {
        port.link->in.offer(packets, now);
        packets.clear();
        port.link->in.deliver(now, packets);
    }
    for (Packet& packet : packets) inputs_.push_back({.packet = std::move(packet), .port = id});
    packets.clear();
    settle(now);
}

bool SimulatedSite::receive(EndId end, std::vector<Packet>& frames, Instant now) {
    const auto found = ends_.find(end);
    if (found == ends_.end()) return false;
    offer(found->second, frames, now);
    return true;
}

bool SimulatedSite::receive(const Received& datagram, Instant now) {
    const FlowKey& flow = datagram.what.flow;
    if (flow.protocol != ip_protocol::udp) return false;
    const auto is_bound = [&](const Endpoint& own) {
        return flow.destination_port == own.port &&
               (own.address.is_unspecified() || own.address == flow.destination);
    };
    const bool is_vxlan = has_plain_ && is_bound(site_.config.underlay.vxlan);
    if (!is_vxlan && !is_bound(site_.config.underlay.esp)) return false;
    Packet payload = around_.pool.take(datagram.transport.subspan(sizeof(UdpHeader)));
    if (payload) {
        inputs_.push_back({.packet = std::move(payload),
                           .from = {flow.source, flow.source_port},
                           .channel = is_vxlan ? Channel::vxlan : Channel::esp});
    } else {
        datapath_.underlay_drops().add(Drop::receive_overflow);
    }
    settle(now);
    return true;
}

// What comes back to it while it is at work waits for its turn.
void SimulatedSite::settle(Instant now) {
    if (std::exchange(working_, true)) return;
    do {
        while (!inputs_.empty()) {
            Input input = std::move(inputs_.front());
            inputs_.pop_front();
            enter(input, now);
        }
        while (take_events(now) || carry_out(now)) {
        }
        flush(now);
    } while (!inputs_.empty());
    working_ = false;
    around_.changed();
}

void SimulatedSite::enter(Input& input, Instant now) {
    if (input.port != no_port) return datapath_.from_port(input.port, {&input.packet, 1}, now);
    const ReceivedTrain train{.bytes = std::as_const(input.packet).bytes(),
                              .datagram_size = input.packet.size(),
                              .from = input.from,
                              .channel = input.channel};
    datapath_.from_underlay({&train, 1}, now);
}

bool SimulatedSite::take_events(Instant now) {
    const auto events = std::exchange(datapath_.events(), {});
    if (!handshaker_) return false;
    for (const Event& event : events) {
        if (const auto* control = std::get_if<ControlReceived>(&event)) {
            const auto drop = handshaker_->receive(control->datagram(), control->from, now, wall(now));
            if (drop) datapath_.underlay_drops().add(*drop);
        } else if (const auto* report = std::get_if<PeerReport>(&event)) {
            const config::Peer& peer = site_.config.peers[report->peer.value()];
            if (!peer.manual) handshaker_->report(report->peer, report->activity, now, wall(now));
        } else if (const auto* moved = std::get_if<PeerMoved>(&event)) {
            const config::Peer& peer = site_.config.peers[moved->peer.value()];
            if (!peer.manual) handshaker_->set_endpoint(moved->peer, moved->endpoint);
        }
    }
    return !events.empty();
}

bool SimulatedSite::carry_out(Instant now) {
    if (!handshaker_) return false;
    auto actions = handshaker_->take_actions();
    for (auto& action : actions) {
        if (const auto* send = std::get_if<Handshaker::Send>(&action)) {
            datapath_.send_control(send->to, send->datagram);
        } else if (const auto* install = std::get_if<Handshaker::Install>(&action)) {
            const Session& session = install->sessions.front();
            if (install->moves) datapath_.set_endpoint(install->peer, install->endpoint);
            datapath_.install(install->peer, session, now);
            if (session.initiator) datapath_.use(install->peer, session.id, now);
        } else if (const auto* retire = std::get_if<Handshaker::Retire>(&action)) {
            datapath_.retire(retire->peer);
        }
    }
    return !actions.empty();
}

void SimulatedSite::flush(Instant now) {
    for (const PortId id : datapath_.ports_with_output()) {
        std::vector<Packet>& outbox = datapath_.port_outbox(id);
        Attached& port = *ports_[id.value()];
        if (port.link) {
            port.link->out.offer(outbox, now);
            outbox.clear();
            port.link->out.deliver(now, outbox);
        }
        if (!outbox.empty()) port.deliver(outbox, now);
        outbox.clear();
    }
    datapath_.flushed();
    for (const DatagramTrain& train : datapath_.underlay_outbox().trains()) {
        each_datagram(train.packet.bytes(), train.datagram_size,
                      [&](std::span<const std::uint8_t> datagram) { send(train.to, datagram, now); });
    }
    datapath_.underlay_outbox().clear();
}

void SimulatedSite::send(const Destination& to, std::span<const std::uint8_t> payload, Instant now) {
    const auto drop = [&](Drop why) {
        (to.tunnel == no_port ? datapath_.underlay_drops() : datapath_.drops(to.tunnel)).add(why);
    };
    const bool is_vxlan = to.channel == Channel::vxlan;
    const Endpoint& own = is_vxlan ? site_.config.underlay.vxlan : site_.config.underlay.esp;
    const auto way = home_.way_to(to.remote.address, device_);
    if (!way) return drop(Drop::device_error);
    const std::size_t size = sizeof(UdpHeader) + payload.size();
    if (ip_header_size(to.remote.address) + size > way->mtu) {
        drop(Drop::too_big);
        return datapath_.path_refused(to.tunnel);
    }
    const Endpoints between{.source = own.address.is_unspecified() ? way->source : own.address,
                            .destination = to.remote.address,
                            .source_port = is_vxlan ? vxlan_source(to.flow_hash) : own.port,
                            .destination_port = to.remote.port};
    Packet packet = around_.pool.take();
    if (!packet) return drop(Drop::no_buffer);
    const auto transport = begin_datagram(packet, between, ip_protocol::udp, size);
    std::ranges::copy(payload, transport.subspan(sizeof(UdpHeader)).begin());
    finish_udp(transport, between);
    home_.send(*way, std::move(packet), now);
}

// ---- Time -----------------------------------------------------------------------------------------

void SimulatedSite::renew_cookies(Instant now) {
    CookieSecret secret;
    random_.fill(secret.writable());
    datapath_.renew_cookies(std::move(secret));
    cookies_at_ = now + cookie_secret_lifetime;
}

void SimulatedSite::run(Instant now) {
    if (cookies_at_ <= now) renew_cookies(now);
    if (tick_at_ <= now) {
        datapath_.tick(now);
        tick_at_ = now + tick_interval;
    }
    if (handshaker_ && handshaker_->next_deadline().value_or(Instant::max()) <= now)
        handshaker_->tick(now, wall(now));
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if (!ports_[i]) continue;
        Attached& port = *ports_[i];
        if (!port.link) continue;
        const PortId id{static_cast<std::uint16_t>(i)};
        std::vector<Packet> packets;
        port.link->in.deliver(now, packets);
        for (Packet& packet : packets) inputs_.push_back({.packet = std::move(packet), .port = id});
        packets.clear();
        port.link->out.deliver(now, packets);
        if (!packets.empty()) port.deliver(packets, now);
    }
    settle(now);
}

Instant SimulatedSite::next() const noexcept {
    Instant next = std::min(tick_at_, cookies_at_);
    if (handshaker_) next = std::min(next, handshaker_->next_deadline().value_or(Instant::max()));
    for (const auto& port : ports_) {
        if (!port) continue;
        const auto& link = port->link;
        if (link) next = std::min({next, link->in.next(), link->out.next()});
    }
    return next;
}

Handshaker::WallTime SimulatedSite::wall(Instant now) const noexcept {
    return Handshaker::WallTime{simulated_epoch} +
           std::chrono::duration_cast<Handshaker::WallTime::duration>(now - start_);
}

std::vector<SimulatedSite::PeerResult> SimulatedSite::peers(Instant now) const {
    const Snapshot snapshot = datapath_.snapshot(now);
    std::vector<PeerResult> results;
    for (std::size_t i = 0; i < site_.config.peers.size(); ++i) {
        const config::Peer& peer = site_.config.peers[i];
        PeerResult result{.name = peer.name};
        if (!peer.is_plain() && !peer.manual && handshaker_)
            result.handshakes = handshaker_->status(PeerId{static_cast<std::uint16_t>(i)}).completed;
        const auto port = std::ranges::find(snapshot.ports, tunnels_[i], &PortSnapshot::port);
        if (port != snapshot.ports.end()) {
            result.sent_packets = port->traffic.tx_packets;
            result.received_packets = port->traffic.rx_packets;
            result.dropped_packets = port->drops.total();
        }
        results.push_back(std::move(result));
    }
    return results;
}

}  // namespace weft::lab
