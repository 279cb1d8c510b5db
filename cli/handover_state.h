// What one weftd leaves to the next beside descriptors (handover.h), as bytes and back. It holds the keys of
// sessions, so the bytes live in memory for secrets, and are carried by handover_carrier.h.
//
//   "weftnext"  version (4)  |  node  |  sockets  |  ports  |  peers  |  stations
//
// Integers are big-endian; a list or text is its length (4) and its elements; an optional value is 0, or 1
// and the value; an Instant is its nanoseconds (8), since both processes read the same clock. Descriptors are
// numbers, in the order in which they are handed over.
//
// Only weftd writes it, and only the service manager or the keeper has it in between. It is read strictly all
// the same: a later version, a length beyond its bounds or beyond what is left, a value that its type does
// not have, or a byte too many, and nothing of it is used. unpack() throws std::runtime_error then.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cli/port_maker.h"
#include "crypto/key.h"
#include "crypto/secret_buffer.h"
#include "overlay/carried_session.h"
#include "overlay/underlay.h"
#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft {

struct HandoverState {
    // Later versions understand themselves alone: sessions and devices are then made anew.
    static constexpr std::uint32_t version = 1;

    struct Socket {
        std::uint8_t worker = 0;
        UnderlayPart part{};  // but for the descriptor
        std::uint32_t descriptor = 0;
    };

    struct Port {
        std::string name{};
        PortOrder order{};  // by which it was made
        // Of what was made, as MadePort has it.
        bool is_packet = false;
        bool is_veth = false;
        bool has_hooks = false;
        std::uint32_t offloads = 0;
        std::uint32_t index = 0;
        std::set<Prefix> routes{};            // that the kernel has over it
        std::vector<std::uint32_t> queues{};  // descriptors, one for each worker
        std::vector<std::uint32_t> hooks{};   // descriptors
    };

    struct Peer {
        std::string name{};
        PublicKey public_key{};
        PresharedKey preshared_key{};
        Endpoint endpoint{};
        std::uint64_t handshakes = 0;
        std::vector<std::vector<CarriedSession>> workers{};  // of each its share
    };

    struct Station {
        std::string bridge{};
        std::uint16_t vlan = 0;
        MacAddress mac{};
        bool is_peer = false;  // else a device
        std::string port{};
    };

    std::string node{};
    std::optional<PublicKey> public_key{};  // of the node
    std::uint32_t workers = 1;
    std::optional<std::string> device{};  // as UnderlayOptions
    Endpoint esp{};
    std::optional<Endpoint> vxlan{};
    std::vector<Socket> sockets{};
    std::vector<Port> ports{};
    std::vector<Peer> peers{};
    std::vector<Station> stations{};
};

SecretBuffer pack(HandoverState& state);
HandoverState unpack(std::span<const std::uint8_t> bytes);

}  // namespace weft
