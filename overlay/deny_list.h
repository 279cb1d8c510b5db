// Prefixes of outer sources whose datagrams are dropped before anything else is done with them: a defence for
// when somebody floods the node. The longest prefix that contains a source counts what is dropped; prefixes
// may lie within one another.
//
// One lookup for each train, which is all of one source, and none while the list is empty.
//
// Limits. The datagrams have reached the socket by then: what is saved is all work on them but the receiving.
// That, too, is saved where the kernel drops them at the uplink (vswitch/early_drop.h).
// A source is what a datagram says it is, so whoever can forge it has others denied who are in the prefix.
//
// Owner: a Datapath.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "overlay/snapshot.h"
#include "vswitch/address.h"
#include "vswitch/route_table.h"

namespace weft {

class DenyList {
  public:
    bool add(const Prefix& prefix);     // false: it is there already
    bool remove(const Prefix& prefix);  // with its counters; false: it is not there

    [[nodiscard]] bool empty() const noexcept { return counters_.size() == 0; }

    // Whether nothing from there is taken in; then so much is counted.
    [[nodiscard]] bool denies(const IpAddress& source, std::uint64_t packets, std::uint64_t bytes) noexcept;

    [[nodiscard]] std::vector<DeniedSnapshot> snapshot() const;

  private:
    struct Counters {
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
    };

    PrefixMap<std::unique_ptr<Counters>> counters_;
};

}  // namespace weft
