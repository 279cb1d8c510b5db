// A planned restart that loses nothing: what the weftd that ends leaves to the next one, and how that takes
// it.
//
//   old weftd                      service manager, or the keeper         new weftd
//   1. workers stop: nothing is
//      sent any more
//   2. Legacy: descriptors, state
//   3. --- both ------------------>  has them; frames wait in TAPs,  ----> 4. Inheritance: takes the state,
//   ends                             datagrams in sockets                    which nobody can take again
//                                                                         5. each object of the configuration
//                                                                            takes what was its own
//                                                                         6. the rest is closed, and told
//                                                                         7. reads what has waited
//
// Left are the queues of devices, UDP sockets, the hooks of the fast path (so that what it carries goes on,
// until the new one's are in their place), sessions, stations. What does not match the new configuration in
// name, kind and place is made anew, as at any start.
//
// Only a planned end leaves anything: after a crash or kill -9 everything is as new, and no key is used
// again.
//
// What is trusted: state and descriptors come from who started the process, as its program and configuration
// do. They are checked all the same, so that a mistake costs a restart and not a wrong device.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/descriptor_store.h"
#include "cli/handover_state.h"
#include "cli/workers.h"
#include "config/config.h"

namespace weft {

// Of the weftd that ends.
class Legacy {
  public:
    [[nodiscard]] HandoverState& state() noexcept { return state_; }

    // Its number. It stays the caller's, open until the legacy is left.
    std::uint32_t add(int descriptor);

    // By name, the state last: without it the others are worth nothing. Throws std::runtime_error if that is
    // not possible.
    using Named = std::vector<std::pair<std::string, int>>;
    [[nodiscard]] const Named& seal();

  private:
    HandoverState state_;
    Named descriptors_;
    Descriptor carrier_;
};

// Of the weftd that begins; from a legacy, or from nothing.
class Inheritance {
  public:
    using Named = std::vector<std::pair<std::string, Descriptor>>;

    Inheritance() = default;

    // What does not belong to the node, or is not to be understood, is closed, and the log says so.
    static Inheritance take(Named descriptors, const config::Config& config);

    struct Port {
        HandoverState::Port state;
        std::vector<Descriptor> queues;
        std::vector<Descriptor> hooks;
    };

    // If it was made by the same order. Others that are in its way are closed.
    std::optional<Port> port(const PortOrder& order);

    // If they were made by the same options, by worker.
    std::optional<Workers::UnderlayParts> underlay(const UnderlayOptions& options, unsigned workers);

    // If its keys are the same and a session is alive.
    std::optional<HandoverState::Peer> peer(const config::Peer& peer, unsigned workers, Instant now);

    std::vector<HandoverState::Station> stations() { return std::exchange(state_.stations, {}); }

    // Everything has been asked for: what is left goes.
    void close();

  private:
    Descriptor descriptor(std::uint32_t number);
    std::vector<Descriptor> descriptors(const std::vector<std::uint32_t>& numbers);

    HandoverState state_;                               // but for its peers
    std::map<std::string, HandoverState::Peer> peers_;  // by name
    std::vector<Descriptor> descriptors_;               // by number
};

}  // namespace weft
