// Where peers may be found according to the configuration: an address, or a name whose addresses are asked
// for again and again. Decides when to ask; who asks, and what is done with the answer, is not its business.
//
//   a name is asked for   at once; after a failure in 10 s; else every 5 minutes, +-20 %
//   while its peer is lost (it does not answer)  when it is lost, and then every 10 s as long as it is tried
//
// All addresses of a name count, IPv4 and IPv6, but not those of a family that the underlay's socket does not
// speak, and max_addresses at most. A failed or an empty answer leaves the addresses that were known.
//
// No clock of its own. Owner: the control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "overlay/random.h"
#include "vswitch/address.h"
#include "vswitch/id.h"

namespace weft {

class Locator {
  public:
    static constexpr std::size_t max_addresses = 8;
    static constexpr Duration again_after = std::chrono::minutes{5};
    static constexpr Duration retry_after = std::chrono::seconds{10};

    // `underlay`: what the node's socket is bound to.
    Locator(const IpAddress& underlay, Random& random);

    // `host` is an address or a name.
    void add(PeerId id, const std::string& host, std::uint16_t port, Instant now);
    void remove(PeerId id);

    struct Question {
        PeerId peer;
        std::string host;
    };

    // The names to ask for now; each is to be answered before it comes again.
    [[nodiscard]] std::vector<Question> due(Instant now);
    [[nodiscard]] std::optional<Instant> next_deadline() const;

    // True if the addresses are other ones than before.
    bool answered(PeerId id, const std::vector<IpAddress>& addresses, Instant now);
    void failed(PeerId id, Instant now);

    // The peer does not answer.
    void lost(PeerId id, Instant now);

    // The best one first; none while no address is known.
    [[nodiscard]] std::vector<IpAddress> addresses(PeerId id) const;
    [[nodiscard]] std::vector<Endpoint> endpoints(PeerId id) const;

  private:
    struct Place {
        std::string host;  // empty: no name to ask for
        std::uint16_t port = 0;
        std::vector<IpAddress> addresses{};
        std::optional<Instant> asked{};
        std::optional<Instant> ask_at{};
    };

    [[nodiscard]] bool speaks(const IpAddress& address) const noexcept;
    void ask_at(PeerId id, Place& place, std::optional<Instant> when);
    Duration jittered(Duration interval);

    IpAddress underlay_;
    Random* random_;
    std::map<PeerId, Place> places_;
    std::set<std::pair<Instant, PeerId>> questions_;
};

}  // namespace weft
