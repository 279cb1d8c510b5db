#include "cli/address_pools.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/seeded_random.h"

using namespace weft;
using test::SeededRandom;

namespace {

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

std::vector<Prefix> prefixes(const std::vector<std::string>& texts) {
    std::vector<Prefix> list;
    for (const auto& text : texts) list.push_back(Prefix::parse(text).value());
    return list;
}

AddressPools pool_of(const std::vector<std::string>& gateways) {
    AddressPools pools;
    CHECK(pools.set_pool("pods", prefixes(gateways)).empty());
    return pools;
}

// The addresses that `owner` gets, or why none.
std::string get(AddressPools& pools, const std::string& owner, const std::vector<std::string>& wanted = {},
                const std::string& pool = "pods") {
    std::vector<IpAddress> addresses;
    for (const auto& text : wanted) addresses.push_back(ip(text));
    const auto allocation = pools.allocate(pool, owner, addresses);
    if (!allocation) return allocation.error();
    std::string list;
    for (const auto& address : allocation->addresses) list += (list.empty() ? "" : " ") + address.to_string();
    return list;
}

}  // namespace

TEST_CASE("an owner gets an address of every prefix, with its length and its gateway") {
    auto pools = pool_of({"10.1.0.1/24", "fd00::1/64"});
    const auto given = pools.allocate("pods", "c1/eth0");
    REQUIRE(given);
    CHECK(given->addresses == prefixes({"10.1.0.2/24", "fd00::2/64"}));
    CHECK(given->gateways == std::vector{ip("10.1.0.1"), ip("fd00::1")});
    CHECK(get(pools, "c2/eth0") == "10.1.0.3/24 fd00::3/64");
}

TEST_CASE("the same owner gets the same answer") {
    auto pools = pool_of({"10.1.0.1/24"});
    CHECK(get(pools, "a") == "10.1.0.2/24");
    CHECK(get(pools, "b") == "10.1.0.3/24");
    CHECK(get(pools, "a") == "10.1.0.2/24");
    CHECK(get(pools, "a", {"10.1.0.2"}) == "10.1.0.2/24");
    CHECK(get(pools, "c") == "10.1.0.4/24");
    CHECK(get(pools, "a", {"10.1.0.9"}) ==
          "owner 'a' has 10.1.0.2/24 and cannot have 10.1.0.9 as well: release its addresses before you ask "
          "for others");
    pools.set_pool("lan", prefixes({"10.2.0.1/24"}));
    CHECK(get(pools, "a", {}, "lan") ==
          "owner 'a' has addresses of pool 'pods': release them before you ask for others");
}

TEST_CASE("networks give their hosts, without the gateway's and those that are no host's") {
    struct Case {
        std::vector<std::string> gateways;
        std::vector<std::string> hosts;
    };

    const std::vector<Case> cases{
        {{"10.1.0.1/29"}, {"10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"}},
        {{"10.1.0.6/29"}, {"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"}},
        {{"10.1.0.1/29", "10.1.0.3/29"}, {"10.1.0.2", "10.1.0.4", "10.1.0.5", "10.1.0.6"}},
        {{"10.1.0.1/30"}, {"10.1.0.2"}},
        {{"10.1.0.0/31"}, {"10.1.0.1"}},
        {{"10.1.0.1/31"}, {"10.1.0.0"}},
        {{"10.1.0.1/32"}, {}},
        {{"fd00::1/126"}, {"fd00::2", "fd00::3"}},
        {{"fd00::1/127"}, {"fd00::"}},
        {{"fd00::1/128"}, {}},
    };
    for (const auto& [gateways, hosts] : cases) {
        CAPTURE(gateways.front());
        auto pools = pool_of(gateways);
        std::set<std::string> given;
        for (std::size_t i = 0; i < hosts.size(); ++i) {
            const auto address = get(pools, std::to_string(i));
            given.insert(address.substr(0, address.find('/')));
        }
        CHECK(given == std::set<std::string>(hosts.begin(), hosts.end()));
        CHECK(get(pools, "more").starts_with("pool 'pods' has no free address left in "));
        CHECK(pools.usage().front().size == hosts.size());
        CHECK(pools.usage().front().used == hosts.size());
    }
}

TEST_CASE("a network within another one of the pool gives no addresses of its own, and lends none to it") {
    auto pools = pool_of({"10.1.0.9/29", "10.1.0.1/28"});
    REQUIRE(pools.usage().size() == 1);
    CHECK(pools.usage().front().network == Prefix::parse("10.1.0.0/28"));
    CHECK(pools.usage().front().size == 16 - 2 - 2 - 1);  // .0 and .15, the gateways, .8
    CHECK(
        get(pools, "a", {"10.1.0.9"}).starts_with("10.1.0.9 is the gateway's of pool 'pods', or no host's"));
    CHECK(
        get(pools, "a", {"10.1.0.8"}).starts_with("10.1.0.8 is the gateway's of pool 'pods', or no host's"));
    CHECK(get(pools, "a", {"10.1.0.10"}) == "10.1.0.10/28");
}

TEST_CASE("what was released is given again only when its turn has come") {
    auto pools = pool_of({"10.1.0.1/29"});
    CHECK(get(pools, "a") == "10.1.0.2/29");
    CHECK(pools.release("a"));
    CHECK_FALSE(pools.release("a"));
    CHECK(get(pools, "b") == "10.1.0.3/29");
    CHECK(get(pools, "c") == "10.1.0.4/29");
    CHECK(get(pools, "d") == "10.1.0.5/29");
    CHECK(get(pools, "e") == "10.1.0.6/29");
    CHECK(get(pools, "f") == "10.1.0.2/29");
    CHECK(pools.release("d"));
    CHECK(get(pools, "g") == "10.1.0.5/29");
}

TEST_CASE("wanted addresses are given, and those that nobody named are chosen") {
    auto pools = pool_of({"10.1.0.1/24", "fd00::1/64"});
    CHECK(get(pools, "a", {"10.1.0.200"}) == "10.1.0.200/24 fd00::2/64");
    CHECK(get(pools, "b", {"fd00::abc", "10.1.0.100"}) == "10.1.0.100/24 fd00::abc/64");
    CHECK(get(pools, "c") == "10.1.0.101/24 fd00::abd/64");
}

TEST_CASE("a wanted address that cannot be had is an error that says why, and changes nothing") {
    auto pools = pool_of({"10.1.0.1/24", "fd00::1/64"});
    CHECK(get(pools, "a", {"10.1.0.9"}) == "10.1.0.9/24 fd00::2/64");
    pools.reserve("pods", ip("10.1.0.8"));
    const auto before = pools.usage();

    struct Case {
        std::vector<std::string> wanted;
        std::string said;
    };

    const std::vector<Case> cases{
        {{"10.1.0.9"}, "10.1.0.9 is leased to 'a': release it, or name another address"},
        {{"10.1.0.8"}, "10.1.0.8 is the address of a port: remove the port, or name another address"},
        {{"10.1.0.1"},
         "10.1.0.1 is the gateway's of pool 'pods', or no host's: name another address, or none"},
        {{"10.1.0.0"},
         "10.1.0.0 is the gateway's of pool 'pods', or no host's: name another address, or none"},
        {{"10.1.0.255"},
         "10.1.0.255 is the gateway's of pool 'pods', or no host's: name another address, or none"},
        {{"fd00::"}, "fd00:: is the gateway's of pool 'pods', or no host's: name another address, or none"},
        {{"10.2.0.9"},
         "10.2.0.9 is in no network of pool 'pods': name a host of 10.1.0.0/24, fd00::/64, or none to have "
         "one "
         "chosen"},
        {{"10.1.0.20", "10.1.0.21"},
         "10.1.0.21 and 10.1.0.20 are both of 10.1.0.0/24: an owner has one address of a network"},
        {{"10.1.0.20", "fd01::1"},
         "fd01::1 is in no network of pool 'pods': name a host of 10.1.0.0/24, fd00::/64, or none to have "
         "one "
         "chosen"},
    };
    for (const auto& [wanted, said] : cases) {
        CHECK(get(pools, "b", wanted) == said);
        CHECK(pools.find("b") == nullptr);
    }
    CHECK(pools.usage() == before);
}

TEST_CASE("one prefix that is used up gives no lease of the others") {
    auto pools = pool_of({"fd00::1/64", "10.1.0.1/30"});
    CHECK(get(pools, "a") == "fd00::2/64 10.1.0.2/30");
    CHECK(get(pools, "b") ==
          "pool 'pods' has no free address left in 10.1.0.0/30: release some (weft ipam lists them), or give "
          "the bridge a gateway with a larger network");
    CHECK(pools.leases().size() == 1);
    CHECK(pools.usage().front().used == 1);
    pools.release("a");
    CHECK(get(pools, "b") == "fd00::3/64 10.1.0.2/30");
}

TEST_CASE("what no pool has is told with those that there are") {
    AddressPools pools;
    CHECK(
        get(pools, "a") ==
        "there is no pool 'pods': a pool is a bridge with a gateway, and this node has none: give the bridge "
        "one");
    pools.set_pool("lan", prefixes({"10.1.0.1/24"}));
    pools.set_pool("dmz", prefixes({"10.2.0.1/24"}));
    CHECK(get(pools, "a") ==
          "there is no pool 'pods': a pool is a bridge with a gateway, of which there are: dmz, lan");
    CHECK(pools.set_pool("lan", {}).empty());
    CHECK_FALSE(pools.remove_pool("lan"));
    CHECK(get(pools, "a", {}, "lan").starts_with("there is no pool 'lan'"));
}

TEST_CASE("an owner's name is short and printable") {
    auto pools = pool_of({"10.1.0.1/24"});
    for (const std::string& owner : {std::string{}, std::string{"a b"}, std::string{"a\n"},
                                     std::string("a\0", 2), std::string(256, 'a'), std::string{"\xC3\xA4"}}) {
        CHECK(get(pools, owner).find(" cannot be an owner: use 1 to 255 letters") != std::string::npos);
    }
    CHECK(get(pools, std::string(255, 'a')) == "10.1.0.2/24");
}

TEST_CASE("ports' addresses are never given, until the last port that has one is gone") {
    auto pools = pool_of({"10.1.0.1/29"});
    pools.reserve("pods", ip("10.1.0.2"));
    pools.reserve("pods", ip("10.1.0.2"));
    pools.reserve("pods", ip("10.1.0.1"));
    pools.reserve("pods", ip("192.0.2.1"));
    pools.reserve("nowhere", ip("10.1.0.3"));
    pools.unreserve("pods", ip("10.1.0.1"));
    pools.unreserve("pods", ip("10.1.0.4"));
    CHECK(pools.usage().front().used == 1);
    CHECK(get(pools, "a") == "10.1.0.3/29");
    CHECK(get(pools, "gate", {"10.1.0.1"}).starts_with("10.1.0.1 is the gateway's"));
    pools.unreserve("pods", ip("10.1.0.2"));
    CHECK(get(pools, "b", {"10.1.0.2"}).starts_with("10.1.0.2 is the address of a port"));
    pools.unreserve("pods", ip("10.1.0.2"));
    CHECK(get(pools, "b", {"10.1.0.2"}) == "10.1.0.2/29");
}

TEST_CASE("an address that is leased and a port's is free when it is neither") {
    auto pools = pool_of({"10.1.0.1/30"});
    CHECK(get(pools, "a") == "10.1.0.2/30");
    pools.reserve("pods", ip("10.1.0.2"));
    CHECK(pools.usage().front().used == 1);
    CHECK(pools.release("a"));
    CHECK(get(pools, "b").starts_with("pool 'pods' has no free address"));
    pools.unreserve("pods", ip("10.1.0.2"));
    CHECK(get(pools, "b") == "10.1.0.2/30");
    pools.reserve("pods", ip("10.1.0.2"));
    pools.unreserve("pods", ip("10.1.0.2"));
    CHECK(get(pools, "c").starts_with("pool 'pods' has no free address"));
}

TEST_CASE("after a restart the same owners have the same addresses, and the round goes on") {
    auto pools = pool_of({"10.1.0.1/24"});
    for (const auto* owner : {"c", "a", "b"}) get(pools, owner);
    get(pools, "d", {"10.1.0.77"});
    pools.release("a");

    auto later = pool_of({"10.1.0.1/24"});
    later.reserve("pods", ip("10.1.0.77"));  // the port of who has it by lease
    CHECK(later.restore(pools.in_order_given()).empty());
    CHECK(later.leases() == pools.leases());
    CHECK(later.in_order_given() == pools.in_order_given());
    CHECK(get(later, "d") == "10.1.0.77/24");
    CHECK(get(later, "e") == "10.1.0.78/24");
}

TEST_CASE("leases that no longer fit are left out, and told") {
    AddressPools pools;
    pools.set_pool("pods", prefixes({"10.1.0.1/24", "fd00::1/64"}));
    const auto lease = [](const char* owner, const char* pool, const std::vector<std::string>& addresses) {
        return Lease{owner, pool, prefixes(addresses)};
    };
    const std::vector<Lease> leases{
        lease("ok", "pods", {"10.1.0.5/24", "fd00::5/64"}),
        lease("v4 only", "pods", {"10.1.0.6/24"}),
        lease("v4-only", "pods", {"10.1.0.6/24"}),
        lease("gone", "old", {"10.9.0.5/24"}),
        lease("moved", "pods", {"10.1.1.5/24"}),
        lease("resized", "pods", {"10.1.0.7/16"}),
        lease("gateway", "pods", {"10.1.0.1/24"}),
        lease("second", "pods", {"10.1.0.5/24"}),
        lease("ok", "pods", {"10.1.0.9/24"}),
        lease("none", "pods", {}),
        lease("two", "pods", {"10.1.0.10/24", "10.1.0.11/24"}),
    };
    const auto unfit = pools.restore(leases);
    std::string said;
    for (const auto& [which, why] : unfit) said += which.owner + ": " + why + '\n';
    CHECK(
        said ==
        "v4 only: 'v4 only' cannot be an owner: use 1 to 255 letters, digits and signs, without white "
        "space\n"
        "gone: there is no pool 'old': a pool is a bridge with a gateway, of which there are: pods\n"
        "moved: 10.1.1.5 is in no network of pool 'pods': name a host of 10.1.0.0/24, fd00::/64, or none to "
        "have one chosen\n"
        "resized: 10.1.0.7/16 is not of the network 10.1.0.0/24\n"
        "gateway: 10.1.0.1 is the gateway's of pool 'pods', or no host's: name another address, or none\n"
        "second: 10.1.0.5 is leased to 'ok': release it, or name another address\n"
        "ok: 'ok' has a lease\n"
        "none: it is without addresses\n"
        "two: 10.1.0.11 and 10.1.0.10 are both of 10.1.0.0/24: an owner has one address of a network\n");
    CHECK(pools.leases() == std::vector{leases[0], leases[2]});
    CHECK(get(pools, "v4-only") == "10.1.0.6/24");
}

TEST_CASE("a pool that gets other networks keeps what fits them, reservations too") {
    AddressPools pools;
    pools.set_pool("pods", prefixes({"10.1.0.1/24"}));
    get(pools, "a");
    get(pools, "b", {"10.1.0.200"});
    pools.reserve("pods", ip("10.1.0.3"));
    pools.reserve("pods", ip("10.2.0.2"));
    CHECK(pools.set_pool("pods", prefixes({"10.1.0.1/24", "10.2.0.1/24"})).empty());
    CHECK(get(pools, "c") == "10.1.0.201/24 10.2.0.3/24");
    const auto unfit = pools.set_pool("pods", prefixes({"10.1.0.2/24"}));
    REQUIRE(unfit.size() == 2);
    CHECK(unfit[0].lease == Lease{"a", "pods", prefixes({"10.1.0.2/24"})});
    CHECK(unfit[1].lease.owner == "c");
    CHECK(pools.find("a") == nullptr);
    CHECK(pools.find("b") != nullptr);
    CHECK(get(pools, "d", {"10.1.0.3"}).starts_with("10.1.0.3 is the address of a port"));
    CHECK(pools.remove_pool("pods"));
    CHECK(pools.leases().empty());
    CHECK(pools.usage().empty());
}

TEST_CASE("leases are listed by pool and address, and usage by network") {
    AddressPools pools;
    pools.set_pool("pods", prefixes({"10.1.0.1/24", "fd00::1/64"}));
    pools.set_pool("dmz", prefixes({"10.2.0.1/16"}));
    get(pools, "z");
    get(pools, "y", {"10.1.0.100"});
    get(pools, "x", {"10.1.0.20"});
    get(pools, "w", {}, "dmz");
    std::string order;
    for (const auto& lease : pools.leases()) order += lease.owner;
    CHECK(order == "wzxy");
    const auto usage = pools.usage();
    REQUIRE(usage.size() == 3);
    CHECK(usage[0].network == Prefix::parse("10.2.0.0/16"));
    CHECK(usage[0].size == 65533);
    CHECK(usage[1].size == 253);
    CHECK(usage[1].used == 3);
    CHECK(usage[2].size == UINT64_MAX - 1);
    CHECK(usage[2].given == std::vector<AddressPools::Usage::Given>{
                                {ip("fd00::2"), "z"}, {ip("fd00::3"), "y"}, {ip("fd00::4"), "x"}});
    CHECK(pool_of({"fd00::1/48"}).usage().front().size == UINT64_MAX);
    CHECK(pool_of({"2000::1/0"}).usage().front().size == UINT64_MAX);
}

TEST_CASE("the number of leases has a limit, and a network's size does not matter") {
    auto pools = pool_of({"10.0.0.1/8", "fd00::1/64"});
    for (std::size_t i = 0; i < AddressPools::max_leases; ++i)
        REQUIRE(pools.allocate("pods", std::to_string(i)));
    CHECK(get(pools, "one-more") == "this node has given 65536 leases, as many as it can: release some");
    CHECK(get(pools, "65535") == "10.1.0.1/8 fd00::1:1/64");
    CHECK(pools.restore({{"one-more", "pods", prefixes({"10.9.9.9/8"})}}).size() == 1);
    CHECK(pools.release("7"));
    CHECK(get(pools, "one-more") == "10.1.0.2/8 fd00::1:2/64");
}

namespace {

// The same by trying one address after the other.
struct StupidPool {
    std::vector<IpAddress> all;  // of the network, in order
    std::set<IpAddress> excluded;
    std::map<IpAddress, std::string> leased;
    std::map<IpAddress, int> reserved;
    std::size_t last_given = 0;

    [[nodiscard]] bool free(const IpAddress& address) const {
        return !excluded.contains(address) && !leased.contains(address) && !reserved.contains(address);
    }

    std::optional<IpAddress> allocate(const std::string& owner, std::optional<IpAddress> wanted) {
        for (const auto& [address, holder] : leased) {
            if (holder == owner) return !wanted || *wanted == address ? std::optional{address} : std::nullopt;
        }
        for (std::size_t i = 1; i <= all.size(); ++i) {
            const auto place = (last_given + i) % all.size();
            if (!free(all[place]) || (wanted && *wanted != all[place])) continue;
            last_given = place;
            leased[all[place]] = owner;
            return all[place];
        }
        return std::nullopt;
    }

    bool release(const std::string& owner) {
        return std::erase_if(leased, [&](const auto& lease) { return lease.second == owner; }) != 0;
    }

    void reserve(const IpAddress& address) { ++reserved[address]; }

    void unreserve(const IpAddress& address) {
        const auto found = reserved.find(address);
        if (found != reserved.end() && --found->second == 0) reserved.erase(found);
    }
};

IpAddress nth(const Prefix& network, unsigned n) {
    auto octets = network.address.octets();
    const std::size_t last = network.address.is_v6() ? 15 : 3;
    octets[last] = static_cast<std::uint8_t>(octets[last] + n);
    return network.address.is_v6() ? IpAddress::v6(octets)
                                   : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

StupidPool stupid_pool(const Prefix& gateway) {
    StupidPool pool;
    const auto network = gateway.network();
    const unsigned size = 1U << (network.address.width() - network.length);
    for (unsigned i = 0; i < size; ++i) pool.all.push_back(nth(network, i));
    pool.excluded.insert(gateway.address);
    if (size > 2) pool.excluded.insert(pool.all.front());
    if (size > 2 && network.address.is_v4()) pool.excluded.insert(pool.all.back());
    return pool;
}

// The same operations on both, chosen at random; and now and then a restart of the clever one.
void compare(const std::string& gateway_text, std::uint64_t seed) {
    const auto gateway = Prefix::parse(gateway_text).value();
    auto stupid = stupid_pool(gateway);
    auto pools = pool_of({gateway_text});
    SeededRandom random{seed};
    for (int step = 0; step < 4000; ++step) {
        CAPTURE(step);
        const auto owner = std::to_string(random.below(stupid.all.size() + 3));
        const auto address = stupid.all[random.below(stupid.all.size())];
        switch (random.below(8)) {
            case 0:
            case 1:
            case 2: {
                const auto given = pools.allocate("pods", owner);
                const auto expected = stupid.allocate(owner, std::nullopt);
                REQUIRE(given.has_value() == expected.has_value());
                if (given) REQUIRE(given->addresses == std::vector{Prefix{*expected, gateway.length}});
                break;
            }
            case 3: {
                const auto given = pools.allocate("pods", owner, std::vector{address});
                const auto expected = stupid.allocate(owner, address);
                REQUIRE(given.has_value() == expected.has_value());
                if (given) REQUIRE(given->addresses == std::vector{Prefix{*expected, gateway.length}});
                break;
            }
            case 4:
            case 5:
                REQUIRE(pools.release(owner) == stupid.release(owner));
                break;
            case 6:
                if (random.chance(0.3)) {
                    pools.reserve("pods", address);
                    stupid.reserve(address);
                } else {
                    pools.unreserve("pods", address);
                    stupid.unreserve(address);
                }
                break;
            default: {
                const auto usage = pools.usage();
                std::set<IpAddress> used;
                for (const auto& [leased, holder] : stupid.leased) used.insert(leased);
                for (const auto& [reserved, times] : stupid.reserved) used.insert(reserved);
                for (const auto& excluded : stupid.excluded) used.erase(excluded);
                REQUIRE(usage.front().used == used.size());
                REQUIRE(usage.front().given.size() == stupid.leased.size());
                for (const auto& [leased, holder] : usage.front().given)
                    REQUIRE(stupid.leased.at(leased) == holder);
                if (random.chance(0.1)) REQUIRE(pools.set_pool("pods", {gateway}).empty());
            }
        }
        if (pools.in_order_given().empty() || random.below(50) != 0) continue;
        // The round goes on behind the youngest lease that is left.
        AddressPools restarted;
        restarted.set_pool("pods", {gateway});
        for (const auto& [reserved, times] : stupid.reserved) {
            for (int i = 0; i < times; ++i) restarted.reserve("pods", reserved);
        }
        REQUIRE(restarted.restore(pools.in_order_given()).empty());
        const auto youngest = pools.in_order_given().back().addresses.front().address;
        stupid.last_given =
            static_cast<std::size_t>(std::ranges::find(stupid.all, youngest) - stupid.all.begin());
        pools = std::move(restarted);
    }
}

}  // namespace

TEST_CASE("any sequence of requests is answered as by trying every address in turn") {
    for (const auto* gateway : {"10.1.0.1/29", "10.1.0.18/28", "10.1.0.128/25", "10.1.0.5/30", "10.1.0.4/31",
                                "10.1.0.9/32", "255.255.255.250/28", "fd00::1/125", "fd00::f4/124",
                                "fd00::1/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff5/124"}) {
        CAPTURE(gateway);
        for (std::uint64_t seed = 1; seed <= 5; ++seed) compare(gateway, seed);
    }
}
