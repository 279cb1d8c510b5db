#include "cni/sandbox.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <fmt/format.h>

#include "cni/error.h"
#include "vswitch/netlink.h"
#include "vswitch/netns.h"
#include "vswitch/system.h"

namespace weft::cni {

namespace {

bool reaches(const std::vector<Address>& addresses, const IpAddress& gateway) {
    // fe80::/10 is on every link.
    if (gateway.is_v6() && gateway.is_link_local()) return true;
    return std::ranges::any_of(addresses,
                               [&](const Address& address) { return address.address.contains(gateway); });
}

void inside(const std::string& netns, const std::function<void(Netlink&)>& work) {
    try {
        in_namespace(netns, [&] {
            Netlink netlink;
            work(netlink);
        });
    } catch (const std::runtime_error& failure) {
        throw Error(Code::namespace_failed, failure.what(), "in the network namespace " + netns);
    }
}

bool is_among(const std::vector<Route>& routes, const Route& wanted) {
    return std::ranges::any_of(routes, [&](const Route& found) {
        return wanted.to.network() == found.to && (!wanted.via || wanted.via == found.via) &&
               (!wanted.table || wanted.table == found.table);
    });
}

}  // namespace

NetnsState look_at_netns(const std::string& path) {
    if (path.empty()) return NetnsState::gone;
    const Descriptor opened{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    struct statfs system{};
    if (!opened || ::fstatfs(opened.get(), &system) != 0 || system.f_type != NSFS_MAGIC)
        return NetnsState::gone;
    struct stat theirs{};
    struct stat ours{};
    if (::fstat(opened.get(), &theirs) == 0 && ::stat("/proc/thread-self/ns/net", &ours) == 0 &&
        theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev) {
        return NetnsState::our_own;
    }
    return NetnsState::there;
}

Attachment::HostInterface find_host_interface(const std::string& name) {
    const auto link = Netlink{}.link(name);
    if (!link) {
        throw Error(Code::invalid_configuration,
                    fmt::format("hostInterface {}: the host has no such interface", name),
                    "make it a port of the bridge in weftd's configuration (type = \"tap\", an address)");
    }
    return {.name = name, .mac = link->mac.to_string()};
}

void add_addresses(const std::string& netns, const std::string& ifname,
                   const std::vector<Address>& addresses) {
    inside(netns, [&](Netlink& netlink) {
        const auto present = netlink.addresses(ifname);
        for (const auto& [address, gateway] : addresses) {
            if (std::ranges::find(present, address) == present.end()) netlink.add_address(ifname, address);
        }
    });
}

std::vector<Route> add_routes(const std::string& netns, const std::string& ifname,
                              const Allocation& network) {
    std::vector<Route> effective;
    if (network.routes.empty()) return effective;
    inside(netns, [&](Netlink& netlink) {
        for (auto route : network.routes) {
            route.via_is_on_link = route.via && !reaches(network.addresses, *route.via);
            if (netlink.add_route(route, ifname) || is_among(netlink.routes(ifname), route))
                effective.push_back(route);
        }
    });
    return effective;
}

std::vector<std::string> differences(const Attachment& expected) {
    std::vector<std::string> found;
    inside(expected.netns, [&](Netlink& netlink) {
        const auto link = netlink.link(expected.ifname);
        if (!link) {
            found.push_back(fmt::format("there is no interface {}", expected.ifname));
            return;
        }
        if (!link->up) found.push_back(fmt::format("{} is down", expected.ifname));
        const auto mac = MacAddress::parse(expected.mac);
        if (mac && *mac != link->mac)
            found.push_back(fmt::format("{} has the MAC address {} and not {}", expected.ifname,
                                        link->mac.to_string(), mac->to_string()));
        if (expected.mtu != 0 && expected.mtu != link->mtu)
            found.push_back(
                fmt::format("{} has the MTU {} and not {}", expected.ifname, link->mtu, expected.mtu));
        const auto addresses = netlink.addresses(expected.ifname);
        for (const auto& [address, gateway] : expected.network.addresses) {
            if (std::ranges::find(addresses, address) == addresses.end())
                found.push_back(fmt::format("{} has no address {}", expected.ifname, address.to_string()));
        }
        const auto routes = netlink.routes(expected.ifname);
        for (const auto& route : expected.network.routes) {
            if (!is_among(routes, route))
                found.push_back(fmt::format("{} has no route to {}", expected.ifname, route.to.to_string()));
        }
    });
    return found;
}

}  // namespace weft::cni
