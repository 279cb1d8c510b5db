#include "cli/port_maker.h"

#include <stdexcept>

#include <fmt/format.h>

#include "vswitch/device/packet_socket.h"
#include "vswitch/device/veth.h"
#include "vswitch/device/veth_merging.h"
#include "vswitch/device/veth_probe.h"
#include "vswitch/netlink.h"
#include "vswitch/netns.h"
#include "vswitch/packet.h"
#include "vswitch/path_probe.h"

namespace weft {

namespace {

using Type = config::Port::Type;
using Programs = std::optional<HookPrograms>;

constexpr std::size_t drained_at_a_time = 64;

// The port is not in use yet: what has come out of it meanwhile is the probe's.
void try_flows(const HookPrograms& programs, const PortOrder& order, MadePort& made) {
    std::string& why_not = made.hooks->why_no_flows;
    why_not = try_port(programs, *made.hooks, order.interface.name, order.interface.netns);
    if (why_not.empty()) return;
    PacketPool pool(2 * drained_at_a_time);
    DropCounters drops;
    for (const auto& queue : use_tuntap(made.tuntap.copy())) {
        std::vector<Packet> packets;
        while (queue->read(pool, drained_at_a_time, packets, drops) == Device::Status::more) packets.clear();
    }
}

TunTapParts make_tuntap_in_place(const PortOrder& order, TunTapOptions::Layer layer) {
    const NewInterface& interface = order.interface;
    return make_tuntap({.layer = layer,
                        .name = interface.name,
                        .netns = interface.netns,
                        .mtu = interface.mtu,
                        .mac = interface.mac,
                        .addresses = interface.addresses,
                        .txqueuelen = interface.txqueuelen},
                       order.queues);
}

// The fast path of a TAP or TUN; none is no failure.
void hook_device_if_possible(const PortOrder& order, const Programs& programs, MadePort& made) {
    if (order.interface.netns || !programs) return;
    auto hooks = hook_device(*programs, static_cast<unsigned>(made.tuntap.index));
    if (!hooks) {
        made.note = "no fast path: " + hooks.error();
    } else {
        made.hooks = std::move(*hooks);
    }
}

MadePort make_tuntap_port(const PortOrder& order, const Programs& programs) {
    const bool is_tap = order.type == Type::tap;
    MadePort made{.device = order.interface.name,
                  .tuntap = make_tuntap_in_place(
                      order, is_tap ? TunTapOptions::Layer::tap : TunTapOptions::Layer::tun)};
    hook_device_if_possible(order, programs, made);
    if (made.hooks) try_flows(*programs, order, made);
    return made;
}

// Why the two cannot be patched by tc, if they cannot.
std::optional<std::string> patch_by_tc(const VethPort& veth) {
    try {
        Netlink netlink;
        netlink.redirect(veth.host_index(), veth.tap_index());
        netlink.redirect(veth.tap_index(), veth.host_index());
        return std::nullopt;
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

// The same for the fast path.
std::optional<std::string> patch_by_fast_path(const VethPort& veth, const HookPrograms& programs,
                                              MadePort& made) {
    auto hooks = hook_veth(programs, static_cast<unsigned>(veth.host_index()),
                           static_cast<unsigned>(veth.tap_index()));
    if (!hooks) return hooks.error();
    made.hooks = std::move(*hooks);
    made.hooks->merges = veth.merges();
    return std::nullopt;
}

MadePort fall_back(const PortOrder& order, std::string_view reason) {
    return {.device = order.interface.name,
            .note = fmt::format("veth falls back to a tap in its namespace: {}", reason),
            .tuntap = make_tuntap_in_place(order, TunTapOptions::Layer::tap)};
}

// By tc, or else by the fast path.
bool is_patched_by_tc(const PortOrder& order, const Programs& programs) {
    return order.patch_by_tc || (order.keep && !programs);
}

MadePort make_veth_port(const PortOrder& order, const Programs& programs) {
    const bool by_tc = is_patched_by_tc(order, programs);
    if (!by_tc && !programs) return fall_back(order, "there is no fast path: " + order.no_fast_path);
    VethPort veth({.inner = order.interface,
                   .host_end = order.host_end,
                   .tap = order.tap,
                   .alias = order.alias,
                   .keep = order.keep,
                   .merges = order.merges && !by_tc},
                  order.queues);
    MadePort made{.is_veth = true, .device = order.interface.name};
    auto reason = by_tc ? patch_by_tc(veth) : patch_by_fast_path(veth, *programs, made);
    if (!reason && !frames_cross(use_tuntap(veth.tap().copy()), order.interface))
        reason = "frames do not cross the patch";
    if (!reason) {
        made.note = fmt::format("veth, its host end {} is patched to {} by {}", order.host_end, order.tap,
                                by_tc ? "tc" : "the fast path");
        made.tuntap = veth.take_tap();
        if (made.hooks) try_flows(*programs, order, made);
        return made;
    }
    made.hooks.reset();
    {
        const TunTapParts gone = veth.take_tap();
    }
    Netlink{}.remove_veth(order.host_end);
    if (order.keep) throw std::runtime_error(*reason);
    return fall_back(order, *reason);
}

void adopt_veth(const StandingPort& standing, const Programs& programs, MadePort& made) {
    const PortOrder& order = standing.order;
    const auto host_end = Netlink{}.link(order.host_end);
    if (!host_end) throw std::runtime_error("its host end " + order.host_end + " is gone");
    const bool by_tc = is_patched_by_tc(order, programs);
    if (by_tc == standing.has_hooks) throw std::runtime_error("its ends are patched in another way now");
    if (by_tc) return;
    if (!programs) throw std::runtime_error("there is no fast path: " + order.no_fast_path);
    auto hooks =
        hook_veth(*programs, static_cast<unsigned>(host_end->index), static_cast<unsigned>(standing.index));
    if (!hooks) throw std::runtime_error(hooks.error());
    made.hooks = std::move(*hooks);
    made.hooks->merges = set_merging(order.host_end, order.interface, order.merges);
}

}  // namespace

MadePort adopt_port(const StandingPort& standing, const Programs& programs) {
    const NewInterface& interface = standing.order.interface;
    MadePort made{.is_veth = standing.is_veth, .device = interface.name};
    made.tuntap.layer =
        standing.order.type == Type::tun ? TunTapOptions::Layer::tun : TunTapOptions::Layer::tap;
    made.tuntap.name = standing.is_veth ? standing.order.tap : interface.name;
    made.tuntap.index = standing.index;
    in_namespace(standing.is_veth ? std::nullopt : interface.netns, [&] {
        Netlink netlink;
        const auto link = netlink.link(made.tuntap.name);
        if (!link || link->index != standing.index)
            throw std::runtime_error("device " + made.tuntap.name + " is gone, or another one now");
        made.tuntap.netlink = netlink.take_descriptor();
    });
    if (standing.is_veth) {
        adopt_veth(standing, programs, made);
    } else {
        hook_device_if_possible(standing.order, programs, made);
    }
    return made;
}

MadePort make_port(const PortOrder& order, const Programs& programs) {
    switch (order.type) {
        case Type::tap:
        case Type::tun:
            return make_tuntap_port(order, programs);
        case Type::veth:
            return make_veth_port(order, programs);
        case Type::packet:
            return {
                .is_packet = true,
                .device = order.interface.name,
                .sockets = make_packet_sockets(order.interface.name, order.interface.netns, order.queues)};
    }
    throw std::logic_error("a type of port that nobody makes");
}

std::vector<std::unique_ptr<Device>> use_port(MadePort& made) {
    return made.is_packet ? use_packet_sockets(made.device, std::move(made.sockets))
                          : use_tuntap(std::move(made.tuntap));
}

}  // namespace weft
