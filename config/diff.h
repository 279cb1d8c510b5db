// What must be done to get from one configuration to another, in an order that works: removals from the
// outside in (routes, ports, peers, bridges), then additions from the inside out (bridges, peers, ports,
// routes). What is equal in both is not touched. What changed is removed and added, and so is what depends on
// it: a bridge's ports, the peers that it is stretched to and the routes to next hops on its gateway's
// networks; the routes through a port or a peer. Starting is the diff from no configuration, stopping the
// diff to none; both leave node, underlay and tuning to whoever starts and stops them.
//
// A Change points into the two configurations, which must outlive it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "config/config.h"

namespace weft::config {

struct RemoveRoute {
    const Route* route;
};

struct RemovePort {
    const Port* port;
};

struct RemovePeer {
    const Peer* peer;
};

struct RemoveBridge {
    const Bridge* bridge;
};

struct ReplaceNode {
    const Node* from;
    const Node* to;
};  // cannot be applied to a running daemon

struct ReplaceUnderlay {
    const Underlay* from;
    const Underlay* to;
};  // nor can this

struct ReplaceTuning {
    const Tuning* from;
    const Tuning* to;
};

struct AddBridge {
    const Bridge* bridge;
};

struct AddPeer {
    const Peer* peer;
};

struct AddPort {
    const Port* port;
};

struct AddRoute {
    const Route* route;
};

struct ReplaceFastPath {
    const FastPath* from;
    const FastPath* to;
};

using Change = std::variant<RemoveRoute, RemovePort, RemovePeer, RemoveBridge, ReplaceNode, ReplaceUnderlay,
                            ReplaceTuning, ReplaceFastPath, AddBridge, AddPeer, AddPort, AddRoute>;

// `from` may be null (start) and so may `to` (stop).
std::vector<Change> diff(const Config* from, const Config* to);

std::string to_string(const Change& change);  // "add port a1 (tap in host-a, bridge lan)"

}  // namespace weft::config
