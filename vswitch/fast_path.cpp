#ifdef WEFT_BPF

#include "vswitch/fast_path.h"

#include <atomic>
#include <bit>
#include <cerrno>
#include <mutex>
#include <utility>

#include <bpf/bpf.h>

#include "vswitch/bpf/layout.h"
#include "vswitch/bpf_support.h"
#include "vswitch/fast_flows.h"
#include "vswitch/fast_path_kernel.h"
#include "vswitch/uplink_probe.h"
#include "vswitch/wire.h"

namespace weft {

using Failure = FastPath::Failure;

FastPath::FastPath(std::shared_ptr<FastPathKernel> kernel) noexcept : kernel_(std::move(kernel)) {}

FastPath::FastPath(FastPath&&) noexcept = default;
FastPath& FastPath::operator=(FastPath&&) noexcept = default;
FastPath::~FastPath() = default;

std::expected<FastPath, Failure> FastPath::open(const Options& options) {
    listen_to_libbpf();
    auto kernel = std::make_shared<FastPathKernel>();
    if (!kernel->load(options)) {
        const int error = errno;
        return std::unexpected("cannot load the BPF programs of the fast path: " + message(error) + ": " +
                               cure_for_loading(error));
    }
    return FastPath(std::move(kernel));
}

std::unique_ptr<FastFlows> FastPath::flows(unsigned part) {
    return std::make_unique<FastFlows>(kernel_, part);
}

HookPrograms FastPath::hook_programs() const noexcept {
    return kernel_->hooks;
}

void FastPath::add(PortId port, PortHooks hooks) {
    remove(port);
    const std::lock_guard lock(kernel_->mutex);
    kernel_->ports[port] = {.is_veth = hooks.is_veth,
                            .leads_elsewhere = hooks.leads_elsewhere,
                            .merges = hooks.merges,
                            .device = hooks.device,
                            .patch = hooks.patch,
                            .link = hooks.link_layer,
                            .hooks = std::move(hooks.hooks),
                            .carries = hooks.why_no_flows.empty()};
}

std::expected<void, Failure> FastPath::add_veth(PortId port, unsigned host_end, unsigned patch_tap) {
    remove(port);
    auto hooks = hook_veth(hook_programs(), host_end, patch_tap, kernel_->options.hooks);
    if (!hooks) return std::unexpected(hooks.error());
    add(port, std::move(*hooks));
    return {};
}

std::expected<void, Failure> FastPath::add_device(PortId port, unsigned device) {
    remove(port);
    auto hooks = hook_device(hook_programs(), device, kernel_->options.hooks);
    if (!hooks) return std::unexpected(hooks.error());
    add(port, std::move(*hooks));
    return {};
}

std::expected<void, Failure> FastPath::add_uplink(unsigned device) {
    auto hook = Hook::make(kernel_->uplink_ingress, device, true, kernel_->options.hooks);
    if (!hook) return std::unexpected(hook.error());
    const auto tried = try_uplink(*kernel_, device);
    const std::lock_guard lock(kernel_->mutex);
    if (!tried) {
        kernel_->silent_uplinks.insert(device);
        return tried;
    }
    kernel_->uplinks.push_back(std::move(*hook));
    return {};
}

int FastPath::unwrapping_program() const noexcept {
    return kernel_->uplink_unwrap;
}

bool FastPath::set_tunnel(PortId port, const Tunnel& tunnel) noexcept {
    if (tunnel.local.is_v6() || tunnel.remote.address.is_v6() || tunnel.device == 0) {
        remove(port);
        return false;
    }
    const std::lock_guard lock(kernel_->mutex);
    FastPort& set = kernel_->ports[port];
    kernel_->forget_sources(set);
    set.is_tunnel = true;
    set.device = tunnel.device;
    set.tunnel = tunnel;
    set.next_hop = kernel_->next_hop = static_cast<std::uint16_t>((kernel_->next_hop + 1) % fast_next_hops);
    kernel_->next_hops[set.next_hop] = {to_kernel(tunnel.local),
                                        to_kernel(tunnel.remote.address),
                                        std::bit_cast<std::uint16_t>(be16{tunnel.remote.port}),
                                        {}};
    return true;
}

void FastPath::remove(PortId port) noexcept {
    const std::lock_guard lock(kernel_->mutex);
    const auto found = kernel_->ports.find(port);
    if (found == kernel_->ports.end()) return;
    FastPort& removed = found->second;
    removed.hooks.clear();
    kernel_->forget_sources(removed);
    if (removed.is_veth) {
        bpf_map_delete_elem(kernel_->hooks.patches, &removed.device);
        bpf_map_delete_elem(kernel_->hooks.patches, &removed.patch);
    }
    set_enabled(port, true);
    kernel_->ports.erase(found);
}

void FastPath::close_programs() noexcept {
    kernel_->close_programs();
}

void FastPath::set_enabled(PortId port, bool enabled) noexcept {
    std::atomic_ref(kernel_->ports_off[port.value()]).store(enabled ? 0 : 1);
}

void FastPath::set_impaired(PortId port, bool impaired) noexcept {
    const std::lock_guard lock(kernel_->mutex);
    const auto found = kernel_->ports.find(port);
    if (found != kernel_->ports.end()) found->second.is_impaired = impaired;
}

FastPath::Misses FastPath::misses() const noexcept {
    Misses sum;
    for (std::size_t processor = 0; processor < kernel_->processors; ++processor) {
        auto& misses = kernel_->misses[processor];
        sum.unsuitable += load(misses.unsuitable);
        sum.unknown += load(misses.unknown);
        sum.stale += load(misses.stale);
        sum.too_big += load(misses.too_big);
    }
    return sum;
}

}  // namespace weft

#endif
