#include "cli/address_pools.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "config/report.h"
#include "config/values.h"

namespace weft {

using config::quoted;

namespace {

using Number = AddressRuns::Number;

// A network that is not a point-to-point one has addresses that no host may have.
using config::has_network_address;

Number all_ones(unsigned bits) noexcept {
    return bits == 0 ? 0 : ~Number{0} >> (128U - bits);
}

Number to_number(const IpAddress& address) noexcept {
    Number number = 0;
    for (const std::uint8_t octet : address.bytes()) number = number << 8U | octet;
    return number;
}

IpAddress to_address(Number number, bool is_v6) noexcept {
    std::array<std::uint8_t, 16> octets{};
    const std::size_t size = is_v6 ? 16 : 4;
    for (std::size_t i = size; i > 0; --i) {
        octets[i - 1] = static_cast<std::uint8_t>(number);
        number >>= 8U;
    }
    return is_v6 ? IpAddress::v6(octets) : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

Number host_number(const Prefix& network, const IpAddress& address) noexcept {
    return to_number(address) & all_ones(network.address.width() - network.length);
}

IpAddress host(const Prefix& network, Number number) noexcept {
    return to_address(to_number(network.address) | number, network.address.is_v6());
}

bool lies_within_another(const Prefix& network, const std::vector<Prefix>& gateways) {
    return std::ranges::any_of(gateways, [&](const Prefix& other) {
        return other.length < network.length && other.contains(network.address);
    });
}

bool is_owner(std::string_view text) noexcept {
    return !text.empty() && text.size() <= AddressPools::max_owner_size &&
           std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

std::unexpected<std::string> fail(std::string message) {
    return std::unexpected{std::move(message)};
}

std::string no_owner(std::string_view text) {
    return fmt::format("{} cannot be an owner: use 1 to {} letters, digits and signs, without white space",
                       quoted(text), AddressPools::max_owner_size);
}

std::string joined(const std::vector<Prefix>& prefixes) {
    std::string list;
    for (const Prefix& prefix : prefixes) list += (list.empty() ? "" : ", ") + prefix.to_string();
    return list;
}

template <class Networks>
std::string networks_of(const Networks& networks) {
    std::vector<Prefix> prefixes;
    prefixes.reserve(networks.size());
    for (const auto& network : networks) prefixes.push_back(network.prefix);
    return joined(prefixes);
}

// By family first: as people read lists.
auto display_order(const IpAddress& address) {
    return std::pair{address.is_v6(), address.octets()};
}

}  // namespace

// The next one after the last that was given, and after the network's end the first.
std::optional<IpAddress> AddressPools::Network::next_free() const {
    auto free = last_given < last ? taken.first_free(last_given + 1, last) : std::nullopt;
    if (!free) free = taken.first_free(0, last);
    if (!free) return std::nullopt;
    return host(prefix, *free);
}

const AddressPools::Network* AddressPools::Pool::network_of(const IpAddress& address) const {
    const auto found = std::ranges::find_if(
        networks, [&](const Network& network) { return network.prefix.contains(address); });
    return found == networks.end() ? nullptr : &*found;
}

AddressPools::Network* AddressPools::Pool::network_of(const IpAddress& address) {
    return const_cast<Network*>(std::as_const(*this).network_of(address));
}

void AddressPools::Pool::update_taken(const IpAddress& address) {
    Network* network = network_of(address);
    if (network == nullptr) return;
    const Number number = host_number(network->prefix, address);
    if (excluded.contains(address) || leased.contains(address) || reserved.contains(address)) {
        network->taken.insert(number);
    } else {
        network->taken.erase(number);
    }
}

std::vector<UnfitLease> AddressPools::set_pool(const std::string& name, const std::vector<Prefix>& gateways) {
    Pool pool;
    for (const Prefix& gateway : gateways) {
        const Prefix network = gateway.network();
        const Number last = all_ones(network.address.width() - network.length);
        pool.excluded.insert(gateway.address);
        if (has_network_address(network)) {
            pool.excluded.insert(network.address);
            if (network.address.is_v4()) pool.excluded.insert(host(network, last));
        }
        if (pool.network_of(network.address) == nullptr && !lies_within_another(network, gateways))
            pool.networks.push_back({.prefix = network, .gateway = gateway.address, .last = last});
    }
    const auto leases = take_back(name);
    Pool old;
    if (const auto found = pools_.find(name); found != pools_.end()) {
        old = std::move(found->second);
        pools_.erase(found);
    }
    if (gateways.empty()) return restore(leases);
    pool.reserved = std::move(old.reserved);
    for (const IpAddress& address : pool.excluded) pool.update_taken(address);
    for (const auto& reservation : pool.reserved) pool.update_taken(reservation.first);
    auto& networks = pools_.emplace(name, std::move(pool)).first->second.networks;
    auto unfit = restore(leases);
    for (const Network& network : old.networks) {
        const auto kept = std::ranges::find(networks, network.prefix, &Network::prefix);
        if (kept != networks.end()) kept->last_given = network.last_given;
    }
    return unfit;
}

bool AddressPools::remove_pool(const std::string& name) {
    take_back(name);
    return pools_.erase(name) != 0;
}

std::expected<AddressPools::Allocation, std::string> AddressPools::allocate(
    const std::string& pool, const std::string& owner, std::span<const IpAddress> wanted) {
    if (!is_owner(owner)) return fail(no_owner(owner));
    if (const Lease* lease = find(owner)) return repeat(*lease, pool, wanted);
    if (leases_.size() >= max_leases) {
        return fail(
            fmt::format("this node has given {} leases, as many as it can: release some", max_leases));
    }
    const auto found = pools_.find(pool);
    if (found == pools_.end()) return fail(no_pool(pool));

    const auto& networks = found->second.networks;
    Chosen chosen(networks.size());
    for (const IpAddress& address : wanted) {
        if (const auto placed = place(pool, found->second, address, chosen); !placed)
            return fail(placed.error());
        if (found->second.reserved.contains(address)) {
            return fail(fmt::format("{} is the address of a port: remove the port, or name another address",
                                    address.to_string()));
        }
    }
    Lease lease{.owner = owner, .pool = pool, .addresses = {}};
    for (std::size_t i = 0; i < networks.size(); ++i) {
        const Network& network = networks[i];
        const auto address = chosen[i] ? chosen[i] : network.next_free();
        if (!address) {
            return fail(fmt::format(
                "pool {} has no free address left in {}: release some (weft ipam lists them), or give "
                "the bridge a gateway with a larger network",
                quoted(pool), network.prefix.to_string()));
        }
        lease.addresses.push_back({*address, network.prefix.length});
    }
    give(lease);
    return repeat(lease, pool, {});
}

// What is given already, if that is what is asked for.
std::expected<AddressPools::Allocation, std::string> AddressPools::repeat(
    const Lease& lease, const std::string& pool, std::span<const IpAddress> wanted) const {
    if (lease.pool != pool) {
        return fail(fmt::format("owner {} has addresses of pool {}: release them before you ask for others",
                                quoted(lease.owner), quoted(lease.pool)));
    }
    for (const IpAddress& address : wanted) {
        if (std::ranges::find(lease.addresses, address, &Prefix::address) == lease.addresses.end()) {
            return fail(
                fmt::format("owner {} has {} and cannot have {} as well: release its addresses before "
                            "you ask for others",
                            quoted(lease.owner), joined(lease.addresses), address.to_string()));
        }
    }
    Allocation allocation{.addresses = lease.addresses, .gateways = {}};
    for (const Prefix& address : lease.addresses)
        allocation.gateways.push_back(pools_.at(pool).network_of(address.address)->gateway);
    return allocation;
}

// Notes an address for its network, if the pool gives it and nobody has it by a lease. A port may: one that
// is there before leases are restored has its address by one of them.
std::expected<void, std::string> AddressPools::place(const std::string& name, const Pool& pool,
                                                     const IpAddress& address, Chosen& chosen) const {
    const std::string text = address.to_string();
    const Network* network = pool.network_of(address);
    if (network == nullptr) {
        return fail(
            fmt::format("{} is in no network of pool {}: name a host of {}, or none to have one chosen", text,
                        quoted(name), networks_of(pool.networks)));
    }
    if (pool.excluded.contains(address)) {
        return fail(fmt::format("{} is the gateway's of pool {}, or no host's: name another address, or none",
                                text, quoted(name)));
    }
    if (const auto lease = pool.leased.find(address); lease != pool.leased.end()) {
        return fail(fmt::format("{} is leased to {}: release it, or name another address", text,
                                quoted(lease->second)));
    }
    auto& place = chosen[static_cast<std::size_t>(network - pool.networks.data())];
    if (place) {
        return fail(fmt::format("{} and {} are both of {}: an owner has one address of a network", text,
                                place->to_string(), network->prefix.to_string()));
    }
    place = address;
    return {};
}

void AddressPools::give(Lease lease) {
    Pool& pool = pools_.at(lease.pool);
    for (const Prefix& address : lease.addresses) {
        pool.leased.emplace(address.address, lease.owner);
        pool.update_taken(address.address);
        Network& network = *pool.network_of(address.address);
        network.last_given = host_number(network.prefix, address.address);
    }
    auto owner = lease.owner;
    leases_.emplace(std::move(owner), Given{std::move(lease), next_order_++});
}

bool AddressPools::release(std::string_view owner) {
    const auto found = leases_.find(owner);
    if (found == leases_.end()) return false;
    const Lease& lease = found->second.lease;
    Pool& pool = pools_.at(lease.pool);
    for (const Prefix& address : lease.addresses) {
        pool.leased.erase(address.address);
        pool.update_taken(address.address);
    }
    leases_.erase(found);
    return true;
}

std::vector<Lease> AddressPools::take_back(const std::string& pool) {
    auto taken = in_order_given();
    std::erase_if(taken, [&](const Lease& lease) { return lease.pool != pool; });
    for (const Lease& lease : taken) release(lease.owner);
    return taken;
}

void AddressPools::reserve(const std::string& pool, const IpAddress& address) {
    const auto found = pools_.find(pool);
    if (found == pools_.end()) return;
    ++found->second.reserved[address];
    found->second.update_taken(address);
}

void AddressPools::unreserve(const std::string& pool, const IpAddress& address) {
    const auto found = pools_.find(pool);
    if (found == pools_.end()) return;
    auto& reserved = found->second.reserved;
    const auto reservation = reserved.find(address);
    if (reservation == reserved.end() || --reservation->second != 0) return;
    reserved.erase(reservation);
    found->second.update_taken(address);
}

const Lease* AddressPools::find(std::string_view owner) const {
    const auto found = leases_.find(owner);
    return found == leases_.end() ? nullptr : &found->second.lease;
}

std::vector<Lease> AddressPools::leases() const {
    auto list = in_order_given();
    std::ranges::sort(list, {}, [](const Lease& lease) {
        return std::pair{lease.pool, display_order(lease.addresses.front().address)};
    });
    return list;
}

std::vector<Lease> AddressPools::in_order_given() const {
    std::vector<const Given*> order;
    order.reserve(leases_.size());
    for (const auto& entry : leases_) order.push_back(&entry.second);
    std::ranges::sort(order, {}, &Given::order);
    std::vector<Lease> list;
    list.reserve(order.size());
    for (const Given* given : order) list.push_back(given->lease);
    return list;
}

std::vector<AddressPools::Usage> AddressPools::usage() const {
    std::vector<Usage> list;
    for (const auto& [name, pool] : pools_) {
        for (const Network& network : pool.networks) {
            const auto counts = [&](const auto& address) { return network.prefix.contains(address); };
            const auto excluded = static_cast<Number>(std::ranges::count_if(pool.excluded, counts));
            const Number size = network.last - (excluded - 1);  // a gateway is always excluded
            Usage usage{.pool = name, .network = network.prefix};
            usage.size =
                static_cast<std::uint64_t>(std::min<Number>(size, std::numeric_limits<std::uint64_t>::max()));
            for (const auto& [address, owner] : pool.leased) {
                if (counts(address)) usage.given.push_back({address, owner});
            }
            usage.used = usage.given.size();
            for (const auto& reservation : pool.reserved) {
                const IpAddress& address = reservation.first;
                if (counts(address) && !pool.excluded.contains(address) && !pool.leased.contains(address))
                    ++usage.used;
            }
            std::ranges::sort(usage.given, {},
                              [](const auto& given) { return display_order(given.address); });
            list.push_back(std::move(usage));
        }
    }
    return list;
}

std::vector<UnfitLease> AddressPools::restore(const std::vector<Lease>& leases) {
    std::vector<UnfitLease> unfit;
    for (const Lease& lease : leases) {
        if (const auto fits = may_have(lease); fits) {
            give(lease);
        } else {
            unfit.push_back({lease, fits.error()});
        }
    }
    return unfit;
}

std::expected<void, std::string> AddressPools::may_have(const Lease& lease) const {
    if (!is_owner(lease.owner)) return fail(no_owner(lease.owner));
    if (find(lease.owner) != nullptr) return fail(fmt::format("{} has a lease", quoted(lease.owner)));
    if (leases_.size() >= max_leases) return fail(fmt::format("there are {} others", max_leases));
    const auto pool = pools_.find(lease.pool);
    if (pool == pools_.end()) return fail(no_pool(lease.pool));
    if (lease.addresses.empty()) return fail("it is without addresses");
    Chosen chosen(pool->second.networks.size());
    for (const Prefix& address : lease.addresses) {
        if (const auto placed = place(lease.pool, pool->second, address.address, chosen); !placed)
            return placed;
        const Prefix& network = pool->second.network_of(address.address)->prefix;
        if (network.length != address.length) {
            return fail(fmt::format("{} is not of the network {}", address.to_string(), network.to_string()));
        }
    }
    return {};
}

std::string AddressPools::no_pool(const std::string& name) const {
    std::string names;
    for (const auto& pool : pools_) names += (names.empty() ? "" : ", ") + pool.first;
    return fmt::format(
        "there is no pool {}: a pool is a bridge with a gateway{}", quoted(name),
        names.empty() ? ", and this node has none: give the bridge one" : ", of which there are: " + names);
}

}  // namespace weft
