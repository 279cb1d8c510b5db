#include "vswitch/route_watch.h"

#include <cerrno>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace weft {

namespace {

constexpr int messages_at_a_time = 256;

constexpr std::array groups{RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE,
                            RTNLGRP_NEXTHOP};

}  // namespace

RouteWatch::RouteWatch()
    : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)) {
    const auto* attempted = "cannot listen to changes of the kernel's routes";
    if (!socket_) throw_system_error(attempted, errno);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw_system_error(attempted, errno);
    for (const int group : groups) {
        if (::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            throw_system_error(attempted, errno);
    }
}

// Any error but EAGAIN says that messages were lost (ENOBUFS).
bool RouteWatch::take() noexcept {
    bool changed = false;
    for (int i = 0; i < messages_at_a_time; ++i) {
        msghdr nothing{};
        if (::recvmsg(socket_.get(), &nothing, 0) < 0 && (errno == EAGAIN || errno == EINTR)) break;
        changed = true;
    }
    return changed;
}

}  // namespace weft
