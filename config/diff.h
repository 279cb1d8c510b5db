// What must be done to get from one configuration to another, in an order that works: removals from the
// outside in (routes, ports, peers, bridges), then additions from the inside out (bridges, peers, ports,
// routes). What is equal in both is not touched. What changed is removed and added, and so is what depends on
// it: a bridge's ports and the routes to next hops on its gateway's networks; the routes through a port or a
// peer. What can change without losing its device, its stations or its session is changed in place: a port's
// VLANs, its impairment and whether it has a fast path; a bridge's VNI, gateway and ageing; a peer's bridges
// and prefixes. Starting is the diff from no configuration, stopping the diff to none; both leave node,
// underlay and tuning to whoever starts and stops them.
//
// A Change points into the two configurations, which must outlive it.
#pragma once

#include <span>
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
};  // nor can this, but for the denied sources:

struct ChangeDenied {
    const Underlay* from;
    const Underlay* to;
};

struct ReplaceTuning {
    const Tuning* from;
    const Tuning* to;
};

struct ChangeBridge {
    const Bridge* from;
    const Bridge* to;
};

struct ChangePeer {
    const Peer* from;
    const Peer* to;
};

struct ChangePort {
    const Port* from;
    const Port* to;
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
                            ReplaceTuning, ReplaceFastPath, ChangeDenied, ChangeBridge, AddBridge, ChangePeer,
                            AddPeer, ChangePort, AddPort, AddRoute>;

// `from` may be null (start) and so may `to` (stop).
std::vector<Change> diff(const Config* from, const Config* to);

// What takes back the first changes of a diff, in an order that works. What cannot be applied to a running
// daemon is not among them.
std::vector<Change> inverse(std::span<const Change> done);

std::string to_string(const Change& change);  // "add port a1 (tap in host-a, bridge lan)"

}  // namespace weft::config
