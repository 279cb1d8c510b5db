#include "lab/node_namespace.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <fmt/format.h>

#include "vswitch/netlink.h"

namespace weft::lab {

namespace {

constexpr const char* this_namespace = "/proc/thread-self/ns/net";

std::string device_of(const HostRoute& route, Netlink& netlink) {
    if (route.device) return *route.device;
    if (!route.via) {
        throw std::runtime_error(fmt::format(
            "the route to {} leads nowhere: say via which router, or by which device", route.to.to_string()));
    }
    const auto index = netlink.route_interface(*route.via);
    const auto name = index ? netlink.name(*index) : std::nullopt;
    if (name) return *name;
    throw std::runtime_error(fmt::format(
        "the route to {} is via {}, which is on no link of the node: correct it, or give the node an address "
        "of that network",
        route.to.to_string(), route.via->to_string()));
}

}  // namespace

Home::Home() : home_(::open(this_namespace, O_RDONLY | O_CLOEXEC)) {
    if (!home_) throw_system_error(fmt::format("cannot open {}", this_namespace), errno);
}

// A thread that is lost in a node's namespace would make the next devices there.
Home::~Home() {
    if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

void enter_new_namespace(const std::string& name) {
    const std::string path = "/run/netns/" + name;
    if (::unshare(CLONE_NEWNET) != 0) {
        const int error = errno;
        throw_system_error("cannot make a network namespace", error,
                           error == ENOSPC ? "raise the limit (sysctl user.max_net_namespaces)" : "");
    }
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!file || ::mount(this_namespace, path.c_str(), nullptr, MS_BIND, nullptr) != 0)
        throw_system_error("cannot give the network namespace its name " + path, errno);
    Netlink{}.set_up("lo");
}

void enter_namespace(const std::string& name) {
    const std::string path = "/run/netns/" + name;
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::setns(file.get(), CLONE_NEWNET) != 0)
        throw_system_error("cannot enter the network namespace " + path, errno);
}

void set_sysctl(const std::string& key, const std::string& value) {
    std::string path = key;
    if (key.find('/') == std::string::npos) std::ranges::replace(path, '.', '/');
    if (!path.starts_with("net/") || path.find("..") != std::string::npos) {
        throw std::runtime_error(
            fmt::format("sysctl {}: a node has net.* of its own, and all else is the machine's", key));
    }
    const Descriptor file(::open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), value.data(), value.size()) < 0) {
        const int error = errno;
        throw_system_error(fmt::format("cannot set the sysctl {} = {}", key, value), error,
                           error == ENOENT ? "the kernel has none of this name" : "");
    }
}

bool leads_by(const HostRoute& route, const std::vector<LinkEnd>& interfaces) {
    return std::ranges::any_of(interfaces, [&](const LinkEnd& end) {
        if (route.device) return end.interface == *route.device;
        return route.via && std::ranges::any_of(end.addresses,
                                                [&](const Prefix& own) { return own.contains(*route.via); });
    });
}

void add_routes(const std::vector<HostRoute>& routes) {
    if (routes.empty()) return;
    Netlink netlink;
    for (const HostRoute& route : routes) {
        Netlink::ViaRoute wanted;
        wanted.to = route.to;
        wanted.via = route.via;
        if (!netlink.add_route(wanted, device_of(route, netlink)))
            throw std::runtime_error(fmt::format("there are two routes to {}", route.to.to_string()));
    }
}

}  // namespace weft::lab
