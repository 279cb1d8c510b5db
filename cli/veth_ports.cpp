#include "cli/veth_ports.h"

#include <stdexcept>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "cli/derived.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/device/veth.h"

namespace weft {

namespace {

std::vector<std::unique_ptr<Device>> fall_back(const config::Port& port, std::uint16_t mtu,
                                               const MacAddress& mac, unsigned queues,
                                               std::string_view reason) {
    auto opened = open_tuntap_queues({.layer = TunTapOptions::Layer::tap,
                                      .name = port.device,
                                      .netns = port.netns,
                                      .mtu = mtu,
                                      .mac = mac,
                                      .addresses = port.address,
                                      .txqueuelen = port.txqueuelen},
                                     queues);
    spdlog::info("port {}: veth falls back to a tap in its namespace: {}", port.name, reason);
    return opened;
}

VethOptions options_of(const std::string& node, const config::Port& port, std::uint16_t mtu,
                       const MacAddress& mac) {
    return {.inner = {.name = port.device,
                      .netns = port.netns,
                      .mtu = mtu,
                      .mac = mac,
                      .addresses = port.address,
                      .txqueuelen = port.txqueuelen},
            .host_end = derived_device(host_end_prefix, node, "port " + port.name),
            .tap = derived_device("weftt", node, "port " + port.name),
            .alias = fmt::format("weft {} port {}", node, port.name)};
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

}  // namespace

std::vector<std::unique_ptr<Device>> VethPorts::open(const std::string& node, const config::Port& port,
                                                     std::uint16_t mtu, const MacAddress& mac,
                                                     unsigned queues) {
    if (port.patch == config::Port::Patch::automatic)
        return fall_back(port, mtu, mac, queues, "built without eBPF");
    const VethOptions options = options_of(node, port, mtu, mac);
    std::optional<VethPort> veth{std::in_place, options, queues};
    if (!keeper_) keeper_.emplace();
    keeper_->keep(options.host_end);
    if (const auto reason = patch_by_tc(*veth)) {
        veth.reset();
        Netlink{}.remove_veth(options.host_end);
        return fall_back(port, mtu, mac, queues, *reason);
    }
    host_ends_[port.name] = options.host_end;
    spdlog::info("port {}: veth, its host end {} is patched to {} by tc", port.name, options.host_end,
                 options.tap);
    return veth->take_queues();
}

void VethPorts::close(const config::Port& port) {
    const auto found = host_ends_.find(port.name);
    if (found == host_ends_.end()) return;
    keeper_->remove(found->second);
    host_ends_.erase(found);
}

}  // namespace weft
