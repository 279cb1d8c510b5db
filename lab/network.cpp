#include "lab/network.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lab/agenda.h"
#include "lab/network_device.h"

namespace weft::lab {

namespace {

// What one call does at most, in frames that come out of wires. Without loops nothing comes near it.
constexpr std::size_t max_frames_per_call = std::size_t{1} << 18U;

constexpr std::size_t wire_of(LinkIndex link, Direction direction) noexcept {
    return std::size_t{link} * 2 + static_cast<std::size_t>(direction);
}

constexpr std::size_t wire_from(EndId end) noexcept {
    return std::size_t{end.link} * 2 + end.which;
}

std::string wire_name(const Link& link, Direction direction) {
    return link.name + (direction == Direction::there ? " there" : " back");
}

}  // namespace

// A work list instead of calls that nest: wires that have something to deliver now wait in ready_, whatever
// has put it there: a host's send(), also out of `arrived`, a switch, or the time.
struct Network::State {
    State(const Topology& topology, PacketPool& pool, Instant start, Arrived to);

    void send(EndId from, std::vector<Packet>& frames, Instant now);
    void advance(Instant now);
    void changed(std::size_t wire, Instant now);
    void offer(std::size_t wire, std::vector<Packet>& frames, std::size_t hops);
    void reschedule(std::size_t wire, std::size_t hops);
    void deliver_ready();
    void deliver(std::size_t wire, std::size_t hops);
    void pass_on(std::uint32_t device, std::size_t hops);
    void see_state(std::size_t wire);
    void sight(std::size_t wire, const std::vector<Packet>& frames, bool has_arrived) const;

    struct Target {
        std::uint32_t device = outside;  // in devices
        PortId port = no_port;
    };

    struct Ready {
        std::uint32_t wire;
        std::size_t hops;  // that the frames have come without time going by
    };

    static constexpr std::uint32_t outside = 0xFFFF'FFFF;

    std::vector<Wire> wires;      // there and back of each link
    std::vector<Target> targets;  // by wire: where it ends
    std::vector<bool> is_up;      // by wire, as it was seen last
    std::vector<std::unique_ptr<NetworkDevice>> devices;
    std::vector<std::uint32_t> device_of;  // by node
    Agenda agenda;                         // wires, then devices
    Arrived arrived;
    Watcher watcher;
    Connected connections;
    std::vector<Ready> ready;
    std::vector<bool> is_ready;  // by wire
    std::vector<Packet> delivered;
    Instant time;
    std::size_t budget = 0;
    bool working = false;
    std::uint64_t carried = 0;
    std::uint64_t looped = 0;
};

Network::State::State(const Topology& topology, PacketPool& pool, Instant start, Arrived to)
    : targets(topology.links.size() * 2),
      device_of(topology.nodes.size(), outside),
      agenda(topology.links.size() * 2 + topology.nodes.size()),
      arrived(std::move(to)),
      is_ready(topology.links.size() * 2),
      time(start) {
    for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
        const Node& node = topology.nodes[i];
        if (!std::holds_alternative<Switch>(node.kind) && !std::holds_alternative<Router>(node.kind))
            continue;
        device_of[i] = static_cast<std::uint32_t>(devices.size());
        devices.push_back(std::make_unique<NetworkDevice>(topology.name, node, pool));
    }
    wires.reserve(topology.links.size() * 2);
    for (LinkIndex i = 0; i < topology.links.size(); ++i) {
        const Link& link = topology.links[i];
        for (const Direction direction : {Direction::there, Direction::back}) {
            const std::string name = wire_name(link, direction);
            wires.emplace_back(link.impairment[static_cast<std::size_t>(direction)],
                               Wire::Identity{.seed = topology.seed, .name = name}, start);
        }
        for (std::uint8_t which = 0; which < 2; ++which) {
            const LinkEnd& end = link.ends[which];
            const std::uint32_t device = device_of[end.node];
            if (device == outside) continue;
            const EndId id{.link = i, .which = which};
            targets[wire_from(id) ^ 1U] = {device, devices[device]->attach(id, end)};
        }
    }
    for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
        if (device_of[i] != outside) devices[device_of[i]]->add_routes(topology.nodes[i]);
    }
    for (std::size_t wire = 0; wire < wires.size(); ++wire) {
        is_up.push_back(wires[wire].is_up());
        agenda.set(static_cast<std::uint32_t>(wire), wires[wire].next());
    }
}

void Network::State::send(EndId from, std::vector<Packet>& frames, Instant now) {
    if (working) return offer(wire_from(from), frames, 0);
    advance(now);
    budget = max_frames_per_call;
    working = true;
    offer(wire_from(from), frames, 0);
    deliver_ready();
    working = false;
}

void Network::State::advance(Instant now) {
    if (working) return;
    working = true;
    budget = max_frames_per_call;
    while (agenda.next() <= now) {
        time = std::max(time, agenda.next());
        const std::uint32_t first = agenda.first();
        if (first < wires.size()) {
            deliver(first, 0);
        } else {
            const auto device = static_cast<std::uint32_t>(first - wires.size());
            devices[device]->tick(time);
            pass_on(device, 0);
        }
        deliver_ready();
    }
    time = std::max(time, now);
    working = false;
}

// The wire is another since `now`.
void Network::State::changed(std::size_t wire, Instant now) {
    time = std::max(time, now);
    reschedule(wire, 0);
    if (working) return;
    working = true;
    budget = max_frames_per_call;
    deliver_ready();
    working = false;
}

void Network::State::offer(std::size_t wire, std::vector<Packet>& frames, std::size_t hops) {
    if (watcher) sight(wire, frames, false);
    wires[wire].offer(frames, time);
    reschedule(wire, hops);
}

void Network::State::see_state(std::size_t wire) {
    const bool up = wires[wire].is_up();
    if (up == is_up[wire]) return;
    is_up[wire] = up;
    const bool other_is_up = is_up[wire ^ 1U];
    if (!other_is_up && connections) connections(static_cast<LinkIndex>(wire / 2), up);
}

// After whatever may have changed the wire.
void Network::State::reschedule(std::size_t wire, std::size_t hops) {
    see_state(wire);
    const Instant next = wires[wire].next();
    if (next > time) return agenda.set(static_cast<std::uint32_t>(wire), next);
    if (is_ready[wire]) return;
    is_ready[wire] = true;
    ready.push_back({static_cast<std::uint32_t>(wire), hops});
}

void Network::State::deliver_ready() {
    // It grows meanwhile.
    for (std::size_t i = 0; i < ready.size(); ++i) {  // NOLINT(modernize-loop-convert)
        const Ready next = ready[i];
        is_ready[next.wire] = false;
        deliver(next.wire, next.hops);
    }
    ready.clear();
}

// What has passed so many links at one instant goes round in a loop. The longest way without one is that of a
// datagram whose routers all have to ask for the next one first.
void Network::State::deliver(std::size_t wire, std::size_t hops) {
    delivered.clear();
    wires[wire].deliver(time, delivered);
    see_state(wire);
    agenda.set(static_cast<std::uint32_t>(wire), std::max(wires[wire].next(), time + Duration{1}));
    if (delivered.empty()) return;
    carried += delivered.size();
    if (watcher) sight(wire, delivered, true);
    if (hops > 4 * (devices.size() + 1) || delivered.size() > budget) {
        looped += delivered.size();
        return delivered.clear();
    }
    budget -= delivered.size();
    const auto [device, port] = targets[wire];
    if (device == outside) {
        const EndId end{.link = static_cast<LinkIndex>(wire / 2),
                        .which = static_cast<std::uint8_t>(1 - wire % 2)};
        arrived(end, delivered, time);
        return delivered.clear();
    }
    devices[device]->receive(port, delivered, time);
    delivered.clear();
    pass_on(device, hops + 1);
}

void Network::State::pass_on(std::uint32_t device, std::size_t hops) {
    devices[device]->output(
        [&](EndId end, std::vector<Packet>& frames) { offer(wire_from(end), frames, hops); });
    agenda.set(static_cast<std::uint32_t>(wires.size()) + device, devices[device]->next_tick());
}

void Network::State::sight(std::size_t wire, const std::vector<Packet>& frames, bool has_arrived) const {
    for (const Packet& frame : frames) {
        watcher({.link = static_cast<LinkIndex>(wire / 2),
                 .direction = static_cast<Direction>(wire % 2),
                 .arrived = has_arrived,
                 .at = time,
                 .frame = frame.bytes(),
                 .original_size = static_cast<std::uint32_t>(frame.size())});
    }
}

Network::Network(const Topology& topology, PacketPool& pool, Instant start, Arrived arrived)
    : state_(std::make_unique<State>(topology, pool, start, std::move(arrived))) {}

Network::~Network() = default;

void Network::send(EndId from, std::vector<Packet>& frames, Instant now) {
    state_->send(from, frames, now);
}

void Network::advance(Instant now) {
    state_->advance(now);
}

Instant Network::next() const noexcept {
    return state_->agenda.next();
}

void Network::set(LinkIndex link, Direction direction, const Impairment& impairment, Instant now) {
    state_->advance(now);
    const std::size_t wire = wire_of(link, direction);
    state_->wires[wire].set(impairment, state_->time);
    state_->changed(wire, now);
}

void Network::set_up(LinkIndex link, Direction direction, bool up, Instant now) {
    state_->advance(now);
    const std::size_t wire = wire_of(link, direction);
    state_->wires[wire].set_up(up, state_->time);
    state_->changed(wire, now);
}

bool Network::is_connected(LinkIndex link) const noexcept {
    return state_->is_up[std::size_t{link} * 2] || state_->is_up[std::size_t{link} * 2 + 1];
}

const Wire& Network::wire(LinkIndex link, Direction direction) const noexcept {
    return state_->wires[wire_of(link, direction)];
}

std::uint64_t Network::carried() const noexcept {
    return state_->carried;
}

std::uint64_t Network::looped() const noexcept {
    return state_->looped;
}

Snapshot Network::snapshot(NodeIndex node, Instant now) const {
    const std::uint32_t device = state_->device_of[node];
    return device == State::outside ? Snapshot{} : state_->devices[device]->datapath().snapshot(now);
}

void Network::watch(Watcher watcher) {
    state_->watcher = std::move(watcher);
}

void Network::watch_connections(Connected watcher) {
    state_->connections = std::move(watcher);
}

}  // namespace weft::lab
