// What happens on a node while it runs. Every part of the daemon tells it by one call, publish(): the event
// is logged in words and sent to the clients that have asked for it by the method `monitor`. Each gets it as
// a notification, a line:
//
//   {"jsonrpc": "2.0", "method": "event",
//    "params": {"time_s": 1764110105.123, "event": "peer_up", "peer": "site-b", "endpoint": "192.0.2.2:4500",
//               "description": "peer site-b: up, at 192.0.2.2:4500"}}
//
// time_s counts from 1970 in UTC, with milliseconds. `event`, `peer` (null: it is about no peer) and
// `description` are in every event, what else there is stands beside the structures below. As in the reports,
// keys are stable, carry their unit, and are null rather than absent.
//
// Limits: a client that does not read is dropped by its connection (control.h). What a peer can cause is held
// back by whoever publishes it (peer_watch.h), so nothing is here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/rpc.h"
#include "crypto/aead.h"
#include "vswitch/address.h"

namespace weft {

namespace event {

struct Watching {  // watching: node. The first event that a client gets
    std::string node;
};

struct PeerUp {  // peer_up: endpoint
    std::string peer;
    Endpoint endpoint;
};

struct PeerDown {  // peer_down: reason
    enum class Reason : std::uint8_t {
        session_over,  // nothing was sent for so long that nobody renewed it
        no_answer,     // dead: it was silent, and answered no handshake either
        removed,       // from the configuration
    };

    std::string peer;
    Reason reason = Reason::session_over;
};

struct PeerSilent {  // peer_silent: what was sent to it is not answered. It is asked for new keys
    std::string peer;
};

struct PeerHeard {  // peer_heard: the silent peer is back
    std::string peer;
};

struct HandshakeFailed {  // handshake_failed: a peer that was not up has not answered for so long
    std::string peer;
};

struct SessionRenewed {  // session_renewed: cipher, handshakes (so far)
    std::string peer;
    Cipher cipher{};
    std::uint64_t handshakes = 0;
};

struct EndpointMoved {  // endpoint_moved: from, to
    std::string peer;
    std::optional<Endpoint> from;
    Endpoint to;
};

struct EndpointResolved {  // endpoint_resolved: host, addresses. Other ones than before
    std::string peer;
    std::string host;
    std::vector<IpAddress> addresses;
};

struct PathMtuChanged {  // path_mtu_changed: from_bytes, to_bytes
    std::string peer;
    std::optional<std::uint16_t> from;
    std::uint16_t to = 0;
};

struct PortLost {  // port_lost: port. Its device was deleted by somebody else
    std::string port;
};

struct FlowDiffered {  // flow_differed: in, out (null: it was dropped). The kernel sent a packet another way
                       // than the bridge says; its flow was taken back
    std::string in;
    std::optional<std::string> out;
};

}  // namespace event

using NodeEvent =
    std::variant<event::Watching, event::PeerUp, event::PeerDown, event::PeerSilent, event::PeerHeard,
                 event::HandshakeFailed, event::SessionRenewed, event::EndpointMoved, event::EndpointResolved,
                 event::PathMtuChanged, event::PortLost, event::FlowDiffered>;

using WallTime = std::chrono::system_clock::time_point;

// The `params` of its notification.
nlohmann::json report_event(const NodeEvent& what, WallTime when);

class Monitor {
  public:
    explicit Monitor(std::function<WallTime()> clock = std::chrono::system_clock::now);

    void publish(const NodeEvent& what);

    // From now on `client` is told everything, `first` to begin with. Once is enough.
    void subscribe(const RpcClient& client, const event::Watching& first);

  private:
    std::function<WallTime()> clock_;
    std::vector<RpcClient> clients_;  // some may be gone
};

}  // namespace weft
