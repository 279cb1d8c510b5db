#include "cli/veth_ports.h"

#include <stdexcept>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/derived.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/device/veth.h"
#include "vswitch/device/veth_probe.h"

namespace weft {

namespace {

using Wanted = VethPorts::Wanted;

NewInterface inner_of(const Wanted& wanted) {
    return {.name = wanted.port.device,
            .netns = wanted.port.netns,
            .mtu = wanted.mtu,
            .mac = wanted.mac,
            .addresses = wanted.port.address,
            .txqueuelen = wanted.port.txqueuelen};
}

std::vector<std::unique_ptr<Device>> fall_back(const Wanted& wanted, std::string_view reason) {
    const config::Port& port = wanted.port;
    auto opened = open_tuntap_queues({.layer = TunTapOptions::Layer::tap,
                                      .name = port.device,
                                      .netns = port.netns,
                                      .mtu = wanted.mtu,
                                      .mac = wanted.mac,
                                      .addresses = port.address,
                                      .txqueuelen = port.txqueuelen},
                                     wanted.queues);
    spdlog::info("port {}: veth falls back to a tap in its namespace: {}", port.name, reason);
    return opened;
}

VethOptions options_of(const Wanted& wanted) {
    const std::string object = "port " + wanted.port.name;
    return {.inner = inner_of(wanted),
            .host_end = derived_device(host_end_prefix, wanted.node, object),
            .tap = derived_device("weftt", wanted.node, object),
            .alias = fmt::format("weft {} {}", wanted.node, object)};
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
std::optional<std::string> patch_by_fast_path(const VethPort& veth, PortId id, FastPath& path) {
    const auto done =
        path.add_veth(id, static_cast<unsigned>(veth.host_index()), static_cast<unsigned>(veth.tap_index()));
    return done ? std::nullopt : std::optional{done.error()};
}

}  // namespace

std::vector<std::unique_ptr<Device>> VethPorts::open(const Wanted& wanted, Offloading& offloading) {
    const bool by_tc = wanted.port.patch == config::Port::Patch::tc;
    if (!by_tc && offloading.path() == nullptr)
        return fall_back(wanted, "there is no fast path: " + offloading.why_not());
    const VethOptions options = options_of(wanted);
    std::optional<VethPort> veth{std::in_place, options, wanted.queues};
    if (!keeper_) keeper_.emplace();
    keeper_->keep(options.host_end);
    auto reason = by_tc ? patch_by_tc(*veth) : patch_by_fast_path(*veth, wanted.id, *offloading.path());
    if (!reason && !frames_cross(veth->queues(), options.inner)) {
        reason = "frames do not cross the patch";
        if (!by_tc) offloading.path()->remove(wanted.id);
    }
    if (reason) {
        veth.reset();
        Netlink{}.remove_veth(options.host_end);
        return fall_back(wanted, *reason);
    }
    host_ends_[wanted.port.name] = options.host_end;
    spdlog::info("port {}: veth, its host end {} is patched to {} by {}", wanted.port.name, options.host_end,
                 options.tap, by_tc ? "tc" : "the fast path");
    return veth->take_queues();
}

void VethPorts::close(const config::Port& port) {
    const auto found = host_ends_.find(port.name);
    if (found == host_ends_.end()) return;
    keeper_->remove(found->second);
    host_ends_.erase(found);
}

}  // namespace weft
