#ifdef WEFT_BPF

#include "vswitch/fast_path.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <optional>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/port.skel.h>

#include "vswitch/bpf/layout.h"
#include "vswitch/bpf_support.h"
#include "vswitch/checksum.h"
#include "vswitch/device/virtio_header.h"
#include "vswitch/headers.h"
#include "vswitch/netlink.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

using Failure = FastPath::Failure;

static_assert(sizeof(fast_flow_key) == 56 && sizeof(fast_action) == 128 && sizeof(fast_count) == 32 &&
              sizeof(fast_misses) == 64);
static_assert(FastPath::generation_count == fast_generations);

struct Port {
    bool is_veth = false;
    bool is_tunnel = false;
    bool leads_elsewhere = false;  // to another namespace
    bool merges = false;           // what its host end sends
    unsigned device = 0;
    unsigned patch = 0;  // of a veth
    LinkLayer link = LinkLayer::ethernet;
    std::vector<Hook> hooks;
    FastPath::Tunnel tunnel{};
    std::uint16_t next_hop = 0;
    std::map<Vni, std::uint32_t> sources{};  // of a tunnel: that it has in the kernel
};

fast_redirect redirect_between(const Port& in, const Port& out, std::uint8_t protocol) noexcept {
    const bool comes_in = in.is_veth || in.is_tunnel;  // by an ingress hook
    if (!out.is_veth) return fast_redirect_ingress;
    if (in.is_tunnel && out.merges && protocol == ip_protocol::tcp) return fast_redirect_egress;
    return comes_in && out.leads_elsewhere ? fast_redirect_peer : fast_redirect_egress;
}

bool arrives(const Port& in, const Port& out, std::uint32_t redirect) noexcept {
    return redirect == redirect_between(in, out, ip_protocol::tcp) ||
           redirect == redirect_between(in, out, ip_protocol::udp);
}

__be32 to_kernel(const IpAddress& address) noexcept {
    __be32 word = 0;
    std::memcpy(&word, address.octets().data(), sizeof word);
    return word;
}

// As in the header.
__be32 to_kernel(Vni vni) noexcept {
    return std::bit_cast<__be32>(be32{vni.value() << 8U});
}

std::optional<fast_flow_key> kernel_key(const FlowKey& flow, std::uint32_t source) noexcept {
    const bool is_ip = flow.ether_type == ether_type::ipv4 || flow.ether_type == ether_type::ipv6;
    const bool has_ports = flow.protocol == ip_protocol::tcp || flow.protocol == ip_protocol::udp;
    if (!is_ip || !has_ports || flow.destination_mac.is_group()) return std::nullopt;
    fast_flow_key key{};
    key.ifindex = source;
    std::ranges::copy(flow.destination_mac.octets, key.macs);
    std::ranges::copy(flow.source_mac.octets, key.macs + 6);
    std::ranges::copy(flow.source.octets(), key.source);
    std::ranges::copy(flow.destination.octets(), key.destination);
    key.source_port = std::bit_cast<std::uint16_t>(be16{flow.source_port});
    key.destination_port = std::bit_cast<std::uint16_t>(be16{flow.destination_port});
    key.ether_type = std::bit_cast<std::uint16_t>(be16{flow.ether_type});
    key.protocol = flow.protocol;
    return key;
}

bool is_same(const fast_flow_key& a, const fast_flow_key& b) noexcept {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

constexpr std::size_t outer_header_size =
    sizeof(EthernetHeader) + sizeof(Ipv4Header) + sizeof(UdpHeader) + sizeof(be32) + sizeof(be32);

struct Outer {
    IpAddress local;
    Endpoint remote;
    Vni vni;
};

// Of a packet that was encapsulated.
std::optional<Outer> read_outer(std::span<const std::uint8_t> bytes) noexcept {
    const auto* ip = view<Ipv4Header>(bytes, sizeof(EthernetHeader));
    const auto* udp = view<UdpHeader>(bytes, sizeof(EthernetHeader) + sizeof(Ipv4Header));
    const auto* vni = view<be32>(bytes, outer_header_size - sizeof(be32));
    if (ip == nullptr || udp == nullptr || vni == nullptr ||
        ipv4_header_checksum(bytes.subspan(sizeof(EthernetHeader), sizeof *ip)) != 0)
        return std::nullopt;
    return Outer{IpAddress::v4(ip->source),
                 {IpAddress::v4(ip->destination), udp->destination_port.value()},
                 Vni{vni->value() >> 8U}};
}

Instant coarse_now() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return Instant{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

}  // namespace

struct FastPath::Kernel {
    Kernel() noexcept = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    ~Kernel() {
        ports.clear();
        uplinks.clear();
        ring_buffer__free(ring);
        port_bpf__destroy(programs);
    }

    bool load(const Options& options);

    static int give_sample(void* context, void* data, std::size_t);
    void give(const fast_sample& sample) const;

    [[nodiscard]] Totals sum(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> source_of(PortId in, Port& port,
                                                         std::optional<Vni> vni) noexcept;
    void forget_sources(Port& tunnel) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> verdict_of(const Port& in, const Action& action,
                                                          std::uint8_t protocol) const noexcept;
    bool write_action(fast_action& action, const fast_flow_key& key, PortId in, const Action& wanted,
                      std::uint64_t verdict) noexcept;

    Options options;
    std::uint32_t processors = 0;
    port_bpf* programs = nullptr;
    ring_buffer* ring = nullptr;
    MapMemory<fast_action> actions;
    MapMemory<fast_count> counts;
    MapMemory<fast_misses> misses;
    MapMemory<fast_next_hop> next_hops;
    std::uint16_t next_hop = 0;  // the last one that was written
    std::vector<Hook> uplinks;
    std::vector<std::pair<PortId, Vni>> sources;  // by number, from fast_from_tunnel on
    std::vector<Totals> before;                   // what was in a slot's counts when its flow was inserted
    std::map<PortId, Port> ports;
    const std::function<void(const Sample&)>* take = nullptr;
};

int FastPath::Kernel::give_sample(void* context, void* data, std::size_t) {
    static_cast<const Kernel*>(context)->give(*static_cast<const fast_sample*>(data));
    return 0;
}

bool FastPath::Kernel::load(const Options& wanted) {
    options = wanted;
    const int possible = libbpf_num_possible_cpus();
    programs = possible > 0 ? port_bpf__open() : nullptr;
    if (!programs) return false;
    processors = static_cast<std::uint32_t>(possible);
    programs->rodata->slots = options.max_flows;
    programs->rodata->sample_every = std::max(options.sample_every, 1U);
    programs->rodata->vxlan_port = std::bit_cast<std::uint16_t>(be16{options.vxlan_port});
    bpf_map__set_max_entries(programs->maps.flows, options.max_flows);
    bpf_map__set_max_entries(programs->maps.actions, options.max_flows);
    bpf_map__set_max_entries(programs->maps.counts, options.max_flows * processors);
    bpf_map__set_max_entries(programs->maps.misses, processors);
    if (port_bpf__load(programs) != 0) return false;
    if (!actions.map(programs->maps.actions) || !counts.map(programs->maps.counts) ||
        !misses.map(programs->maps.misses) || !next_hops.map(programs->maps.next_hops))
        return false;
    before.resize(options.max_flows);
    ring = ring_buffer__new(bpf_map__fd(programs->maps.samples), give_sample, this, nullptr);
    return ring != nullptr;
}

// By where the packet came from and went to, whatever the action says of ports.
void FastPath::Kernel::give(const fast_sample& sample) const {
    const auto by_device = [this](std::uint32_t device) {
        return std::ranges::find_if(
            ports, [&](const auto& port) { return !port.second.is_tunnel && port.second.device == device; });
    };
    Sample given{.slot = sample.slot,
                 .tag = sample.tag,
                 .size = sample.size,
                 .gso_size = static_cast<std::uint16_t>(sample.gso_size),
                 .bytes = {sample.bytes, sample.captured}};
    const std::size_t source = sample.ifindex - std::size_t{fast_from_tunnel};
    auto in = ports.end();
    if (sample.ifindex < fast_from_tunnel) {
        in = by_device(sample.ifindex);
    } else if (source < sources.size()) {
        in = ports.find(sources[source].first);
        given.vni = sources[source].second;
    }
    if (in != ports.end()) given.in = in->first;
    given.is_frame = (in != ports.end() && in->second.link == LinkLayer::ethernet) ||
                     (fast_verdict_flags(sample.verdict) & fast_new_addresses) != 0;
    const auto device = static_cast<std::uint32_t>(sample.verdict);
    if (fast_verdict_kind(sample.verdict) == fast_to_port) {
        given.kind = Action::Kind::to_port;
        const auto out = by_device(device);
        if (in != ports.end() && out != ports.end() &&
            arrives(in->second, out->second, fast_verdict_redirect(sample.verdict)))
            given.out = out->first;
    } else if (fast_verdict_kind(sample.verdict) == fast_encapsulate) {
        given.kind = Action::Kind::to_port;
        given.size -= std::min<std::uint32_t>(given.size, outer_header_size);
        given.bytes = given.bytes.subspan(std::min(given.bytes.size(), outer_header_size));
        const auto outer = read_outer({sample.bytes, sample.captured});
        const auto out = std::ranges::find_if(ports, [&](const auto& port) {
            return outer && port.second.is_tunnel &&
                   port.second.tunnel == FastPath::Tunnel{outer->local, outer->remote, device};
        });
        if (out != ports.end()) given.out = out->first;
        if (outer) given.vni = outer->vni;
    }
    (*take)(given);
}

FastPath::Totals FastPath::Kernel::sum(std::uint32_t slot) const noexcept {
    Totals sum;
    for (std::size_t processor = 0; processor < processors; ++processor) {
        auto& count = counts[processor * options.max_flows + slot];
        sum.packets += weft::load(count.packets);
        sum.bytes += weft::load(count.bytes);
        sum.last_seen = std::max(sum.last_seen,
                                 Instant{Duration{static_cast<Duration::rep>(weft::load(count.last_seen))}});
    }
    return sum;
}

// layout.h says why in this order.
bool FastPath::Kernel::write_action(fast_action& action, const fast_flow_key& key, PortId in,
                                    const Action& wanted, std::uint64_t verdict) noexcept {
    const bool is_new = std::atomic_ref(action.verdict).load() == 0;
    if (!is_new && !is_same(action.key, key)) return false;
    std::atomic_ref(action.verdict).store(0);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (is_new) action.key = key;
    std::atomic_thread_fence(std::memory_order_release);
    action.in_port = in.value();
    action.out_port = wanted.out.value();
    for (std::size_t i = 0; i < wanted.dependencies.size(); ++i)
        action.dependencies[i] = {wanted.dependencies[i].generation, wanted.dependencies[i].value};
    action.tag = wanted.tag;
    action.sampled = 0;
    if (wanted.rewrite) {
        std::ranges::copy(wanted.rewrite->destination.octets, action.addresses);
        std::ranges::copy(wanted.rewrite->source.octets, action.addresses + 6);
    }
    const auto out = ports.find(wanted.out);
    if (out != ports.end() && out->second.is_tunnel)
        action.encapsulation = {to_kernel(*wanted.vni_out),
                                std::bit_cast<std::uint16_t>(be16{wanted.source_port}), out->second.next_hop};
    std::atomic_ref(action.verdict).store(verdict);
    return true;
}

// What the flows of a port have as ifindex; nothing: they have none.
std::optional<std::uint32_t> FastPath::Kernel::source_of(PortId in, Port& port,
                                                         std::optional<Vni> vni) noexcept {
    if (!port.is_tunnel) return port.device;
    if (!vni) return std::nullopt;
    if (const auto known = port.sources.find(*vni); known != port.sources.end()) return known->second;
    const std::pair whose{in, *vni};
    const auto number = static_cast<std::uint32_t>(std::ranges::find(sources, whose) - sources.begin());
    const std::uint32_t source = fast_from_tunnel + number;
    const fast_tunnel key{to_kernel(port.tunnel.remote.address), to_kernel(port.tunnel.local),
                          to_kernel(*vni)};
    if (number == sources.size()) sources.push_back(whose);
    if (bpf_map_update_elem(bpf_map__fd(programs->maps.tunnels), &key, &source, BPF_ANY) != 0)
        return std::nullopt;
    port.sources.emplace(*vni, source);
    return source;
}

void FastPath::Kernel::forget_sources(Port& tunnel) const noexcept {
    for (const auto& [vni, source] : tunnel.sources) {
        const fast_tunnel key{to_kernel(tunnel.tunnel.remote.address), to_kernel(tunnel.tunnel.local),
                              to_kernel(vni)};
        bpf_map_delete_elem(bpf_map__fd(programs->maps.tunnels), &key);
    }
    tunnel.sources.clear();
}

// Nothing: it is not to be had.
std::optional<std::uint64_t> FastPath::Kernel::verdict_of(const Port& in, const Action& action,
                                                          std::uint8_t protocol) const noexcept {
    if (action.kind == Action::Kind::drop) return fast_verdict(fast_drop, 0, action.mtu, 0);
    const auto out = ports.find(action.out);
    if (out == ports.end() || (out->second.link != in.link && !action.rewrite)) return std::nullopt;
    const Port& to = out->second;
    const std::uint32_t addresses = to.link == LinkLayer::ethernet ? fast_new_addresses : 0;
    const std::uint32_t routed = action.rewrite ? fast_routed | addresses : 0;
    if (!to.is_tunnel)
        return fast_verdict(routed | fast_to_port, redirect_between(in, to, protocol), action.mtu, to.device);
    if (in.is_tunnel || !action.vni_out) return std::nullopt;
    return fast_verdict(routed | fast_encapsulate, fast_redirect_egress, action.mtu, to.device);
}

FastPath::FastPath(std::unique_ptr<Kernel> kernel) noexcept : kernel_(std::move(kernel)) {}

FastPath::FastPath(FastPath&&) noexcept = default;
FastPath& FastPath::operator=(FastPath&&) noexcept = default;
FastPath::~FastPath() = default;

std::expected<FastPath, Failure> FastPath::open(const Options& options) {
    listen_to_libbpf();
    auto kernel = std::make_unique<Kernel>();
    if (!kernel->load(options)) {
        const int error = errno;
        return std::unexpected("cannot load the BPF programs of the fast path: " + message(error) + ": " +
                               cure_for_loading(error));
    }
    return FastPath(std::move(kernel));
}

HookPrograms FastPath::hook_programs() const noexcept {
    const auto& programs = kernel_->programs->progs;
    return {.veth_ingress = bpf_program__fd(programs.veth_ingress),
            .patch_ingress = bpf_program__fd(programs.patch_ingress),
            .patch_egress = bpf_program__fd(programs.patch_egress),
            .tap_egress = bpf_program__fd(programs.tap_egress),
            .tun_egress = bpf_program__fd(programs.tun_egress),
            .patches = bpf_map__fd(kernel_->programs->maps.patches)};
}

void FastPath::add(PortId port, PortHooks hooks) {
    remove(port);
    kernel_->ports[port] = {.is_veth = hooks.is_veth,
                            .leads_elsewhere = hooks.leads_elsewhere,
                            .merges = hooks.merges,
                            .device = hooks.device,
                            .patch = hooks.patch,
                            .link = hooks.link_layer,
                            .hooks = std::move(hooks.hooks)};
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
    const int program = bpf_program__fd(kernel_->programs->progs.uplink_ingress);
    auto hook = Hook::make(program, device, true, kernel_->options.hooks);
    if (!hook) return std::unexpected(hook.error());
    kernel_->uplinks.push_back(std::move(*hook));
    return {};
}

int FastPath::unwrapping_program() const noexcept {
    return bpf_program__fd(kernel_->programs->progs.uplink_unwrap);
}

bool FastPath::has_uplinks() const noexcept {
    return !kernel_->uplinks.empty();
}

bool FastPath::set_tunnel(PortId port, const Tunnel& tunnel) noexcept {
    if (tunnel.local.is_v6() || tunnel.remote.address.is_v6() || tunnel.device == 0) {
        remove(port);
        return false;
    }
    Port& set = kernel_->ports[port];
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
    const auto found = kernel_->ports.find(port);
    if (found == kernel_->ports.end()) return;
    Port& removed = found->second;
    removed.hooks.clear();
    kernel_->forget_sources(removed);
    const int patches = bpf_map__fd(kernel_->programs->maps.patches);
    if (removed.is_veth) {
        bpf_map_delete_elem(patches, &removed.device);
        bpf_map_delete_elem(patches, &removed.patch);
    }
    set_enabled(port, true);
    kernel_->ports.erase(found);
}

void FastPath::close_programs() noexcept {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, kernel_->programs->obj) bpf_program__unload(program);
}

void FastPath::set_enabled(PortId port, bool enabled) noexcept {
    std::atomic_ref(kernel_->programs->bss->ports_off[port.value()]).store(enabled ? 0 : 1);
}

bool FastPath::insert(std::uint32_t slot, const FlowKey& flow, PortId in, const Action& action) noexcept {
    const auto in_port = kernel_->ports.find(in);
    if (in_port == kernel_->ports.end() || slot >= kernel_->options.max_flows) return false;
    const auto source = kernel_->source_of(in, in_port->second, action.vni_in);
    const auto key = source ? kernel_key(flow, *source) : std::nullopt;
    const auto verdict = kernel_->verdict_of(in_port->second, action, flow.protocol);
    if (!key || !verdict) return false;

    auto& entry = kernel_->actions[slot];
    const bool is_new = std::atomic_ref(entry.verdict).load() == 0;
    if (!kernel_->write_action(entry, *key, in, action, *verdict)) return false;
    if (!is_new) return true;
    kernel_->before[slot] = kernel_->sum(slot);
    kernel_->before[slot].last_seen = coarse_now();
    if (bpf_map_update_elem(bpf_map__fd(kernel_->programs->maps.flows), &*key, &slot, BPF_NOEXIST) == 0)
        return true;
    std::atomic_ref(entry.verdict).store(0);
    return false;
}

bool FastPath::erase(std::uint32_t slot) noexcept {
    if (slot >= kernel_->options.max_flows) return false;
    auto& action = kernel_->actions[slot];
    if (std::atomic_ref(action.verdict).exchange(0) == 0) return false;
    return bpf_map_delete_elem(bpf_map__fd(kernel_->programs->maps.flows), &action.key) == 0;
}

std::span<std::uint32_t> FastPath::generations() const noexcept {
    return kernel_->programs->bss->generations;
}

FastPath::Totals FastPath::read(std::uint32_t slot) const noexcept {
    const Totals& before = kernel_->before[slot];
    Totals totals = kernel_->sum(slot);
    totals.packets -= before.packets;
    totals.bytes -= before.bytes;
    totals.last_seen = std::max(totals.last_seen, before.last_seen);
    return totals;
}

void FastPath::read(std::uint32_t first, std::span<Totals> totals) const noexcept {
    for (auto& total : totals) total = read(first++);
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

int FastPath::sample_descriptor() const noexcept {
    return ring_buffer__epoll_fd(kernel_->ring);
}

std::size_t FastPath::take_samples(const std::function<void(const Sample&)>& take) {
    kernel_->take = &take;
    const int taken = ring_buffer__consume(kernel_->ring);
    kernel_->take = nullptr;
    return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

}  // namespace weft

#endif
