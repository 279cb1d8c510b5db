// A lab in virtual time: the network of the topology (network.h) with simulated stations for its hosts
// (station.h), weft's own datapath and handshakes for its sites (simulated_site.h) and generators for its
// traffic (generator.h), without devices, processes, sleeping or a clock. An hour takes as long as its
// packets take to compute.
//
// The same topology and seed give the same packets at the same nanoseconds, and so the same capture, byte for
// byte. Its time begins at 2000-01-01 00:00:00 UTC.
//
// What can be done at one instant is done in this order: events of the topology in the order of the file;
// what is due in the network (agenda.h); then generators in the order of the file, stations, and sites.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "lab/pcapng.h"
#include "lab/simulation/generator.h"
#include "lab/simulation/simulated_site.h"
#include "lab/topology.h"
#include "vswitch/emulation/wire.h"

namespace weft::lab {

struct SimulationOptions {
    std::optional<Duration> length;     // else that of the topology
    std::vector<LinkIndex> captured{};  // empty: all
    std::uint32_t snap = 0;             // bytes kept of each captured frame; 0: all
    bool without_commands = false;      // those of hosts and events are left out, not refused
};

struct SimulationResult {
    // A peer of a site.
    struct Peer {
        NodeIndex site = 0;
        SimulatedSite::PeerResult counted;
    };

    Duration length{0};
    std::vector<TrafficResult> traffic;              // as in the topology
    std::vector<std::array<WireCounters, 2>> links;  // as in the topology, by Direction
    std::vector<Peer> peers;                         // in the order of the sites
    std::vector<std::string> notes;                  // what is not as it would be
    std::uint64_t delivered_packets = 0;             // by all wires
    std::uint64_t looped = 0;                        // Network::looped()
    std::uint64_t unresolved = 0;                    // to neighbors that did not answer
};

// Throws std::runtime_error with a line "FILE: what: cure" for each thing that cannot be simulated, before
// anything else has happened. `capture` is given the pcapng; {}: none is made.
SimulationResult simulate(const Topology& topology, const SimulationOptions& options,
                          PcapngWriter::Sink capture = {});

}  // namespace weft::lab
