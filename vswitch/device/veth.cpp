#include "vswitch/device/veth.h"

#include <stdexcept>
#include <utility>

#include "vswitch/device/tuntap.h"
#include "vswitch/netns.h"

namespace weft {

namespace {

void remove_leftover(Netlink& netlink, const VethOptions& options) {
    if (netlink.link(options.tap)) {
        throw std::runtime_error("device " + options.tap + ", which is for " + options.inner.name +
                                 place(options.inner) +
                                 ", exists already: another weftd runs a node of this name here, stop it");
    }
    netlink.remove_veth(options.host_end);
}

void set_up_inner(const NewInterface& inner) {
    in_namespace(inner.netns, [&] {
        Netlink netlink;
        set_up(netlink, inner);
    });
}

}  // namespace

VethPort::VethPort(const VethOptions& options, unsigned queues) {
    const NewInterface& inner = options.inner;
    check_name(inner);
    const Descriptor target = open_namespace(inner.netns.value());
    Netlink netlink;
    remove_leftover(netlink, options);
    in_namespace(inner.netns, [&] {
        Netlink there;
        check_free(there, inner);
    });
    queues_ = open_tuntap_queues({.layer = TunTapOptions::Layer::tap,
                                  .name = options.tap,
                                  .netns = {},
                                  .mtu = inner.mtu,
                                  .mac = {},
                                  .addresses = {},
                                  .silent = true,
                                  .txqueuelen = inner.txqueuelen},
                                 queues);
    netlink.add_veth(
        {.here = options.host_end, .there = inner.name, .namespace_there = target.get(), .mtu = inner.mtu});
    try {
        netlink.set_silent(options.host_end);
        netlink.set_alias(options.host_end, options.alias);
        netlink.set_alias(options.tap, options.alias);
        netlink.set_up(options.host_end);
        set_up_inner(inner);
        host_index_ = netlink.link(options.host_end).value().index;
        tap_index_ = netlink.link(options.tap).value().index;
    } catch (...) {
        netlink.remove_veth(options.host_end);
        throw;
    }
}

}  // namespace weft
