#include "vswitch/device/veth.h"

#include <stdexcept>
#include <utility>

#include "vswitch/device/veth_merging.h"
#include "vswitch/netns.h"

namespace weft {

namespace {

void check_single(Netlink& netlink, const VethOptions& options) {
    if (!netlink.link(options.tap)) return;
    throw std::runtime_error("device " + options.tap + ", which is for " + options.inner.name +
                             place(options.inner) +
                             ", exists already: another weftd runs a node of this name here, stop it");
}

bool exists(const NewInterface& inner) {
    bool found = false;
    in_namespace(inner.netns, [&] { found = Netlink{}.link(inner.name).has_value(); });
    return found;
}

void set_up_inner(const NewInterface& inner) {
    in_namespace(inner.netns, [&] {
        Netlink netlink;
        set_up(netlink, inner);
    });
}

TunTapParts make_tap(const VethOptions& options, unsigned queues) {
    auto tap = make_tuntap({.layer = TunTapOptions::Layer::tap,
                            .name = options.tap,
                            .netns = {},
                            .mtu = options.inner.mtu,
                            .mac = {},
                            .addresses = {},
                            .silent = true,
                            .txqueuelen = options.inner.txqueuelen},
                           queues);
    Netlink{}.set_alias(options.tap, options.alias);
    return tap;
}

void make_pair(Netlink& netlink, const VethOptions& options, const Descriptor& target) {
    const NewInterface& inner = options.inner;
    in_namespace(inner.netns, [&] {
        Netlink there;
        check_free(there, inner);
    });
    netlink.add_veth(
        {.here = options.host_end, .there = inner.name, .namespace_there = target.get(), .mtu = inner.mtu});
    try {
        netlink.set_silent(options.host_end);
        netlink.set_alias(options.host_end, options.alias);
        netlink.set_up(options.host_end);
        set_up_inner(inner);
    } catch (...) {
        netlink.remove_veth(options.host_end);
        throw;
    }
}

}  // namespace

VethPort::VethPort(const VethOptions& options, unsigned queues) {
    check_name(options.inner);
    const Descriptor target = open_namespace(options.inner.netns.value());
    Netlink netlink;
    check_single(netlink, options);
    const bool stands = options.keep && netlink.link(options.host_end) && exists(options.inner);
    if (!stands) netlink.remove_veth(options.host_end);
    tap_ = make_tap(options, queues);
    if (!stands) make_pair(netlink, options, target);
    host_index_ = netlink.link(options.host_end).value().index;
    // A pair that stands may be as another weftd wanted it.
    if (options.merges || stands) merges_ = set_merging(options.host_end, options.inner, options.merges);
    // It still leads to the TAP of the weftd before, which has gone with it.
    if (stands) netlink.clear_redirects(host_index_);
}

}  // namespace weft
