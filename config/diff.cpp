#include "config/diff.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <string_view>
#include <utility>

namespace weft::config {

namespace {

const std::string& key_of(const Bridge& bridge) noexcept {
    return bridge.name;
}

const std::string& key_of(const Port& port) noexcept {
    return port.name;
}

const std::string& key_of(const Peer& peer) noexcept {
    return peer.name;
}

const Prefix& key_of(const Route& route) noexcept {
    return route.to;
}

template <class Object>
using KeyOf = std::decay_t<decltype(key_of(std::declval<const Object&>()))>;

template <class Object>
struct InPlace {
    const Object* from;
    const Object* to;
};

// The objects of one kind that go and come: those that are new, gone or changed, and those that `depends`
// finds to hang on something that goes or comes; and those that stay and change.
template <class Object>
struct Difference {
    std::vector<const Object*> removed;  // in reverse order
    std::vector<const Object*> added;
    std::vector<InPlace<Object>> changed;
    std::set<KeyOf<Object>> keys;

    template <class Depends, class Stays>
    Difference(const std::vector<Object>& from, const std::vector<Object>& to, Depends depends, Stays stays) {
        std::map<KeyOf<Object>, const Object*> old;
        for (const Object& object : from) old.emplace(key_of(object), &object);

        std::set<KeyOf<Object>> kept;
        for (const Object& object : to) {
            const auto before = old.find(key_of(object));
            if (before != old.end() && !depends(object) && stays(*before->second, object)) {
                kept.insert(key_of(object));
                if (*before->second != object) changed.push_back({before->second, &object});
                continue;
            }
            added.push_back(&object);
            keys.insert(key_of(object));
        }
        for (const Object& object : from | std::views::reverse) {
            if (kept.contains(key_of(object))) continue;
            removed.push_back(&object);
            keys.insert(key_of(object));
        }
    }
};

constexpr auto independent = [](const auto&) { return false; };
constexpr auto equal = [](const auto& a, const auto& b) { return a == b; };

bool stays(const Bridge& from, const Bridge& to) {
    return from.arp_suppress == to.arp_suppress && from.max_stations == to.max_stations &&
           from.max_stations_per_port == to.max_stations_per_port;
}

bool stays(const Port& from, const Port& to) {
    Port as_before = to;
    as_before.vlan = from.vlan;
    as_before.trunk = from.trunk;
    as_before.fast_path = from.fast_path;
    as_before.impair = from.impair;
    return as_before == from;
}

using Bridges = Difference<Bridge>;
using Ports = Difference<Port>;
using Peers = Difference<Peer>;
using Routes = Difference<Route>;

template <class Key>
bool is_among(const std::set<Key>& keys, const std::optional<Key>& key) {
    return key && keys.contains(*key);
}

// The networks that appear, disappear or come anew with the bridges and tun ports.
std::vector<Prefix> networks_touched(const Bridges& bridges, const Ports& ports) {
    std::vector<Prefix> networks;
    const auto add = [&](const std::vector<Prefix>& more) {
        networks.insert(networks.end(), more.begin(), more.end());
    };
    for (const auto* list : {&bridges.removed, &bridges.added}) {
        for (const Bridge* bridge : *list) add(bridge->gateway);
    }
    for (const auto& bridge : bridges.changed) {
        if (bridge.from->gateway == bridge.to->gateway && bridge.from->gateway_mac == bridge.to->gateway_mac)
            continue;
        add(bridge.from->gateway);
        add(bridge.to->gateway);
    }
    for (const auto* list : {&ports.removed, &ports.added}) {
        for (const Port* port : *list) {
            if (port->type == Port::Type::tun) add(port->address);
        }
    }
    return networks;
}

bool any_contains(const std::vector<Prefix>& networks, const std::optional<IpAddress>& address) {
    return address &&
           std::ranges::any_of(networks, [&](const Prefix& network) { return network.contains(*address); });
}

template <class Step, class Object>
void append(std::vector<Change>& changes, const std::vector<const Object*>& objects) {
    for (const Object* object : objects) changes.emplace_back(Step{object});
}

template <class Step, class Object>
void append(std::vector<Change>& changes, const std::vector<InPlace<Object>>& objects) {
    for (const auto& object : objects) changes.emplace_back(Step{object.from, object.to});
}

void append_underlay(std::vector<Change>& changes, const Underlay& from, const Underlay& to) {
    Underlay as_before = to;
    as_before.deny = from.deny;
    if (as_before != from) {
        changes.emplace_back(ReplaceUnderlay{&from, &to});
    } else if (from.deny != to.deny) {
        changes.emplace_back(ChangeDenied{&from, &to});
    }
}

}  // namespace

std::vector<Change> diff(const Config* from, const Config* to) {
    static const Config nothing;
    const Config& a = from != nullptr ? *from : nothing;
    const Config& b = to != nullptr ? *to : nothing;

    const auto in_place = [](const auto& before, const auto& after) { return stays(before, after); };
    const Bridges bridges{a.bridges, b.bridges, independent, in_place};
    const Ports ports{a.ports, b.ports, [&](const Port& port) { return is_among(bridges.keys, port.bridge); },
                      in_place};
    Peers peers{a.peers, b.peers, independent, same_but_reach};
    // A bridge that comes anew has no members.
    for (const Peer& peer : b.peers) {
        const auto before = std::ranges::find(a.peers, peer.name, &Peer::name);
        const bool rejoins = std::ranges::any_of(
            peer.bridges, [&](const std::string& name) { return bridges.keys.contains(name); });
        const bool stands = before != a.peers.end() && !peers.keys.contains(peer.name);
        if (stands && rejoins && *before == peer) peers.changed.push_back({&*before, &peer});
    }
    const auto networks = networks_touched(bridges, ports);
    const auto leads_away = [&](const Route& route) {
        return is_among(peers.keys, route.peer) || is_among(ports.keys, route.port) ||
               any_contains(networks, route.via);
    };
    const Routes routes{a.routes, b.routes, leads_away, equal};

    std::vector<Change> changes;
    append<RemoveRoute>(changes, routes.removed);
    append<RemovePort>(changes, ports.removed);
    append<RemovePeer>(changes, peers.removed);
    append<RemoveBridge>(changes, bridges.removed);
    if (from != nullptr && to != nullptr) {
        if (a.node != b.node) changes.emplace_back(ReplaceNode{&a.node, &b.node});
        append_underlay(changes, a.underlay, b.underlay);
        if (a.tuning != b.tuning) changes.emplace_back(ReplaceTuning{&a.tuning, &b.tuning});
        if (a.fast_path != b.fast_path) changes.emplace_back(ReplaceFastPath{&a.fast_path, &b.fast_path});
    }
    append<ChangeBridge>(changes, bridges.changed);
    append<AddBridge>(changes, bridges.added);
    append<ChangePeer>(changes, peers.changed);
    append<AddPeer>(changes, peers.added);
    append<ChangePort>(changes, ports.changed);
    append<AddPort>(changes, ports.added);
    append<AddRoute>(changes, routes.added);
    return changes;
}

namespace {

struct Inverse {
    std::optional<Change> operator()(const RemoveRoute& change) const { return AddRoute{change.route}; }

    std::optional<Change> operator()(const RemovePort& change) const { return AddPort{change.port}; }

    std::optional<Change> operator()(const RemovePeer& change) const { return AddPeer{change.peer}; }

    std::optional<Change> operator()(const RemoveBridge& change) const { return AddBridge{change.bridge}; }

    std::optional<Change> operator()(const AddRoute& change) const { return RemoveRoute{change.route}; }

    std::optional<Change> operator()(const AddPort& change) const { return RemovePort{change.port}; }

    std::optional<Change> operator()(const AddPeer& change) const { return RemovePeer{change.peer}; }

    std::optional<Change> operator()(const AddBridge& change) const { return RemoveBridge{change.bridge}; }

    std::optional<Change> operator()(const ReplaceTuning& change) const {
        return ReplaceTuning{change.to, change.from};
    }

    std::optional<Change> operator()(const ChangeDenied& change) const {
        return ChangeDenied{change.to, change.from};
    }

    std::optional<Change> operator()(const ChangeBridge& change) const {
        return ChangeBridge{change.to, change.from};
    }

    std::optional<Change> operator()(const ChangePeer& change) const {
        return ChangePeer{change.to, change.from};
    }

    std::optional<Change> operator()(const ChangePort& change) const {
        return ChangePort{change.to, change.from};
    }

    std::optional<Change> operator()(const auto&) const { return std::nullopt; }
};

}  // namespace

// A peer's bridges come back after the bridges.
std::vector<Change> inverse(std::span<const Change> done) {
    std::vector<Change> back;
    const auto append_if = [&](bool of_peers) {
        for (const Change& change : done | std::views::reverse) {
            if (std::holds_alternative<ChangePeer>(change) != of_peers) continue;
            if (auto taken_back = std::visit(Inverse{}, change)) back.push_back(*taken_back);
        }
    };
    append_if(false);
    append_if(true);
    return back;
}

}  // namespace weft::config
