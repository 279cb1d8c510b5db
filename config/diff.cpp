#include "config/diff.h"

#include <algorithm>
#include <functional>
#include <map>
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

// The objects of one kind that go and come: those that are new, gone or changed, and those that `depends`
// finds to hang on something that goes or comes.
template <class Object>
struct Difference {
    std::vector<const Object*> removed;  // in reverse order
    std::vector<const Object*> added;
    std::set<KeyOf<Object>> keys;

    template <class Depends>
    Difference(const std::vector<Object>& from, const std::vector<Object>& to, Depends depends) {
        std::map<KeyOf<Object>, const Object*> old;
        for (const Object& object : from) old.emplace(key_of(object), &object);

        std::set<KeyOf<Object>> kept;
        for (const Object& object : to) {
            const auto before = old.find(key_of(object));
            if (before != old.end() && *before->second == object && !depends(object)) {
                kept.insert(key_of(object));
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

}  // namespace

std::vector<Change> diff(const Config* from, const Config* to) {
    static const Config nothing;
    const Config& a = from != nullptr ? *from : nothing;
    const Config& b = to != nullptr ? *to : nothing;

    const Bridges bridges{a.bridges, b.bridges, [](const Bridge&) { return false; }};
    const Ports ports{a.ports, b.ports,
                      [&](const Port& port) { return is_among(bridges.keys, port.bridge); }};
    const Peers peers{a.peers, b.peers, [&](const Peer& peer) {
                          return std::ranges::any_of(peer.bridges, [&](const std::string& name) {
                              return bridges.keys.contains(name);
                          });
                      }};
    const auto networks = networks_touched(bridges, ports);
    const Routes routes{a.routes, b.routes, [&](const Route& route) {
                            return is_among(peers.keys, route.peer) || is_among(ports.keys, route.port) ||
                                   any_contains(networks, route.via);
                        }};

    std::vector<Change> changes;
    append<RemoveRoute>(changes, routes.removed);
    append<RemovePort>(changes, ports.removed);
    append<RemovePeer>(changes, peers.removed);
    append<RemoveBridge>(changes, bridges.removed);
    if (from != nullptr && to != nullptr) {
        if (a.node != b.node) changes.emplace_back(ReplaceNode{&a.node, &b.node});
        if (a.underlay != b.underlay) changes.emplace_back(ReplaceUnderlay{&a.underlay, &b.underlay});
        if (a.tuning != b.tuning) changes.emplace_back(ReplaceTuning{&a.tuning, &b.tuning});
        if (a.fast_path != b.fast_path) changes.emplace_back(ReplaceFastPath{&a.fast_path, &b.fast_path});
    }
    append<AddBridge>(changes, bridges.added);
    append<AddPeer>(changes, peers.added);
    append<AddPort>(changes, ports.added);
    append<AddRoute>(changes, routes.added);
    return changes;
}

}  // namespace weft::config
