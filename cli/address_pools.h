// The addresses that a node gives to the containers on its bridges (IPAM): pure logic, no I/O and no clock.
//
// A pool has the name of a bridge, and its networks are those of the bridge's gateway addresses, as in
// 10.1.0.1/24 and fd00::1/64. Of each network it gives the hosts: neither the network's own address (IPv6:
// the routers' anycast address, RFC 4291 section 2.6.1), nor its broadcast address, nor those of the gateway.
// A network that lies in another one of the pool gives none.
//
// An owner (a container's interface, say) has one lease: one address of each network of one pool. It asks
// again and gets the same answer, so that a request may be repeated. It may want certain addresses; those
// that it does not name are chosen: the next free one after the last that was given, so that an address which
// has just become free, and which a neighbor may still remember, is the last to be given again. In a pool
// that is nearly full its turn comes sooner.
//
// Beside leases there are reservations: what ports have by configuration, or from elsewhere. They are counted
// (two ports may have the same address in different VLANs), and kept apart from leases: an address can be
// both, and is free when it is neither. Those outside of the pool's networks are remembered as well, for the
// pool may get other ones.
//
// Costs: memory for what is given and reserved only, whatever the size of the network; the logarithm of it in
// time. Limits: `max_leases` of all pools together.
//
// Errors are texts: what was wanted, why it cannot be, the cure. A failed call has changed nothing.
// Owner: the control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/address_runs.h"
#include "vswitch/address.h"

namespace weft {

struct Lease {
    std::string owner;
    std::string pool;
    std::vector<Prefix> addresses;  // with the length of their networks

    friend bool operator==(const Lease&, const Lease&) = default;
};

struct UnfitLease {
    Lease lease;
    std::string why;

    friend bool operator==(const UnfitLease&, const UnfitLease&) = default;
};

class AddressPools {
  public:
    static constexpr std::size_t max_leases = 65536;
    static constexpr std::size_t max_owner_size = 255;

    struct Allocation {
        std::vector<Prefix> addresses;
        std::vector<IpAddress> gateways;  // gateways[i] is that of the network of addresses[i]

        friend bool operator==(const Allocation&, const Allocation&) = default;
    };

    // A network of a pool, for display.
    struct Usage {
        struct Given {
            IpAddress address;
            std::string owner;

            friend bool operator==(const Given&, const Given&) = default;
        };

        std::string pool;
        Prefix network;
        std::uint64_t size = 0;  // addresses that there are to give; what is beyond 2^64 - 1 is that
        std::uint64_t used = 0;  // given or reserved
        std::vector<Given> given{};

        friend bool operator==(const Usage&, const Usage&) = default;
    };

    // Makes a pool, or changes its networks; `gateways` are as in config::Bridge. Without any there is no
    // pool. The leases that no longer fit are taken back, and told.
    std::vector<UnfitLease> set_pool(const std::string& name, const std::vector<Prefix>& gateways);

    // Takes back all leases, forgets the reservations. False: there was none.
    bool remove_pool(const std::string& name);

    std::expected<Allocation, std::string> allocate(const std::string& pool, const std::string& owner,
                                                    std::span<const IpAddress> wanted = {});

    bool release(std::string_view owner);  // false: it has no lease

    // Nothing happens if there is no such pool.
    void reserve(const std::string& pool, const IpAddress& address);
    void unreserve(const std::string& pool, const IpAddress& address);

    [[nodiscard]] const Lease* find(std::string_view owner) const;

    [[nodiscard]] std::vector<Lease> leases() const;          // by pool, then by address
    [[nodiscard]] std::vector<Lease> in_order_given() const;  // what restore() takes
    [[nodiscard]] std::vector<Usage> usage() const;           // by pool; networks in the gateways' order

    // Gives what an earlier start had given, in its order. What does not fit any more (the pool or one of its
    // networks is gone or another, somebody else has the address) is left out, and told.
    std::vector<UnfitLease> restore(const std::vector<Lease>& leases);

  private:
    using Number = AddressRuns::Number;

    struct Network {
        Prefix prefix;      // without host bits
        IpAddress gateway;  // the first one
        Number last = 0;    // host number
        Number last_given = 0;
        AddressRuns taken{};  // host numbers: excluded, leased or reserved

        [[nodiscard]] std::optional<IpAddress> next_free() const;
    };

    struct Pool {
        std::vector<Network> networks;  // disjoint
        std::set<IpAddress> excluded;
        std::unordered_map<IpAddress, std::string> leased;  // to the owner
        std::map<IpAddress, unsigned> reserved;             // how many times

        Network* network_of(const IpAddress& address);
        [[nodiscard]] const Network* network_of(const IpAddress& address) const;
        void update_taken(const IpAddress& address);
    };

    struct Given {
        Lease lease;
        std::uint64_t order = 0;
    };

    using Chosen = std::vector<std::optional<IpAddress>>;  // one for each network

    [[nodiscard]] std::expected<Allocation, std::string> repeat(const Lease& lease, const std::string& pool,
                                                                std::span<const IpAddress> wanted) const;
    [[nodiscard]] std::expected<void, std::string> place(const std::string& name, const Pool& pool,
                                                         const IpAddress& address, Chosen& chosen) const;
    [[nodiscard]] std::expected<void, std::string> may_have(const Lease& lease) const;
    [[nodiscard]] std::string no_pool(const std::string& name) const;
    void give(Lease lease);
    std::vector<Lease> take_back(const std::string& pool);

    std::map<std::string, Pool> pools_;
    std::map<std::string, Given, std::less<>> leases_;  // by owner
    std::uint64_t next_order_ = 0;
};

}  // namespace weft
