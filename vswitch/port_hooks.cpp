#ifdef WEFT_BPF

#include "vswitch/port_hooks.h"

#include <cerrno>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "vswitch/bpf/layout.h"
#include "vswitch/bpf_support.h"
#include "vswitch/netlink.h"

namespace weft {

namespace {

// Of Linux 6.6; libbpf 1.1 has no names for them.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);

// By which a filter that a killed process has left is found and replaced.
constexpr std::uint32_t filter_number = 87;

bpf_tc_hook hook_of(unsigned device, bool ingress) noexcept {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(device);
    hook.attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts filter_options() noexcept {
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = filter_number;
    options.priority = filter_number;
    return options;
}

// The veth's misses go to the TAP, and what the daemon writes there to the veth.
std::expected<void, std::string> patch(int patches, PortHooks& veth) {
    try {
        veth.leads_elsewhere = Netlink().leads_elsewhere(static_cast<int>(veth.device));
    } catch (const std::runtime_error& error) {
        return std::unexpected(error.what());
    }
    const fast_patch to_daemon{.ifindex = veth.patch, .redirect = fast_redirect_egress};
    const fast_patch to_container{
        .ifindex = veth.device, .redirect = veth.leads_elsewhere ? fast_redirect_peer : fast_redirect_egress};
    if (bpf_map_update_elem(patches, &veth.device, &to_daemon, BPF_ANY) != 0 ||
        bpf_map_update_elem(patches, &veth.patch, &to_container, BPF_ANY) != 0)
        return std::unexpected("cannot patch " + device_name(veth.device) + ": " + message(errno));
    return {};
}

std::expected<void, std::string> add(PortHooks& port, int program, unsigned device, bool ingress,
                                     HookKind kind) {
    auto hook = Hook::make(program, device, ingress, kind);
    if (!hook) return std::unexpected(hook.error());
    port.hooks.push_back(std::move(*hook));
    return {};
}

// The TAP goes with its queues and takes filters along, and unlike a link a filter costs no grace period of
// RCU (10 ms or so, under a lock that all of the machine's devices share), neither here nor when it goes.
std::expected<void, std::string> add_to_tap(PortHooks& veth, int program, bool ingress, HookKind kind) {
    if (kind == HookKind::best && add(veth, program, veth.patch, ingress, HookKind::filters)) return {};
    return add(veth, program, veth.patch, ingress, kind);
}

}  // namespace

std::expected<Hook, std::string> Hook::make(int program, unsigned device, bool ingress, HookKind kind) {
    Hook made(device, ingress);
    int error = kind == HookKind::filters ? EINVAL : made.attach_link(program);
    if (error == EINVAL && kind != HookKind::links) error = made.attach_filter(program);
    if (error == 0) return made;
    return std::unexpected("cannot attach a program of the fast path to " + device_name(device) + ": " +
                           message(error));
}

Hook::Hook(Hook&& other) noexcept
    : device_(other.device_),
      ingress_(other.ingress_),
      link_(std::move(other.link_)),
      filter_(std::exchange(other.filter_, false)) {}

Hook::~Hook() {
    if (!filter_) return;
    const auto hook = hook_of(device_, ingress_);
    auto options = filter_options();
    bpf_tc_detach(&hook, &options);
}

int Hook::attach_link(int program) noexcept {
    const int fd =
        bpf_link_create(program, static_cast<int>(device_), ingress_ ? tcx_ingress : tcx_egress, nullptr);
    if (fd < 0) return -fd;
    link_ = Descriptor{fd};
    return 0;
}

int Hook::attach_filter(int program) noexcept {
    listen_to_libbpf();  // it would complain of a clsact that is there already
    auto hook = hook_of(device_, ingress_);
    const int error = bpf_tc_hook_create(&hook);
    if (error != 0 && error != -EEXIST) return -error;
    auto options = filter_options();
    options.prog_fd = program;
    options.flags = BPF_TC_F_REPLACE;
    const int attach_error = bpf_tc_attach(&hook, &options);
    filter_ = attach_error == 0;
    return -attach_error;
}

std::expected<PortHooks, std::string> hook_veth(const HookPrograms& programs, unsigned host_end,
                                                unsigned patch_tap, HookKind kind) {
    PortHooks port{.is_veth = true, .device = host_end, .patch = patch_tap};
    auto done = patch(programs.patches, port);
    // The container's packets last, when all that they need is there.
    if (done) done = add_to_tap(port, programs.patch_egress, false, kind);
    if (done) done = add_to_tap(port, programs.patch_ingress, true, kind);
    if (done) done = add(port, programs.veth_ingress, host_end, true, kind);
    if (!done) {
        bpf_map_delete_elem(programs.patches, &port.device);
        bpf_map_delete_elem(programs.patches, &port.patch);
        return std::unexpected(done.error());
    }
    return port;
}

std::expected<PortHooks, std::string> hook_device(const HookPrograms& programs, unsigned device,
                                                  HookKind kind) {
    const auto layer = link_layer_of(device);
    if (!layer) return std::unexpected(layer.error());
    PortHooks port{.device = device, .link_layer = *layer};
    const int program = *layer == LinkLayer::ethernet ? programs.tap_egress : programs.tun_egress;
    const auto done = add(port, program, device, false, kind);
    if (!done) return std::unexpected(done.error());
    return port;
}

}  // namespace weft

#endif
