#ifdef WEFT_BPF

#include "vswitch/fast_path_kernel.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/port.skel.h>

#include "vswitch/headers.h"
#include "vswitch/wire.h"

namespace weft {

static_assert(sizeof(fast_flow_key) == 56 && sizeof(fast_action) == 128 && sizeof(fast_count) == 32 &&
              sizeof(fast_misses) == 64);

fast_redirect redirect_between(const FastPort& in, const FastPort& out, std::uint8_t protocol) noexcept {
    const bool comes_in = in.is_veth || in.is_tunnel;  // by an ingress hook
    if (!out.is_veth) return fast_redirect_ingress;
    if (in.is_tunnel && out.merges && protocol == ip_protocol::tcp) return fast_redirect_egress;
    return comes_in && out.leads_elsewhere ? fast_redirect_peer : fast_redirect_egress;
}

bool arrives(const FastPort& in, const FastPort& out, std::uint32_t redirect) noexcept {
    return redirect == redirect_between(in, out, ip_protocol::tcp) ||
           redirect == redirect_between(in, out, ip_protocol::udp);
}

__be32 to_kernel(const IpAddress& address) noexcept {
    __be32 word = 0;
    std::memcpy(&word, address.octets().data(), sizeof word);
    return word;
}

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

FastPathKernel::~FastPathKernel() {
    ports.clear();
    uplinks.clear();
    port_bpf__destroy(programs);
}

bool FastPathKernel::load(const FastPath::Options& wanted) {
    options = wanted;
    const int possible = libbpf_num_possible_cpus();
    programs = possible > 0 ? port_bpf__open() : nullptr;
    if (!programs) return false;
    processors = static_cast<std::uint32_t>(possible);
    const std::uint64_t all_counts = (std::uint64_t{options.max_flows} * options.parts + 1) * processors;
    if (all_counts > std::numeric_limits<std::uint32_t>::max()) {
        errno = E2BIG;
        return false;
    }
    programs->rodata->slots = slots();
    programs->rodata->sample_every = std::max(options.sample_every, 1U);
    programs->rodata->vxlan_port = std::bit_cast<std::uint16_t>(be16{options.vxlan_port});
    bpf_map__set_max_entries(programs->maps.flows, slots());
    bpf_map__set_max_entries(programs->maps.actions, slots());
    bpf_map__set_max_entries(programs->maps.counts, static_cast<std::uint32_t>(all_counts));
    bpf_map__set_max_entries(programs->maps.misses, processors);
    bpf_map__set_max_entries(programs->maps.generations, options.parts);
    bpf_map__set_max_entries(programs->maps.samples, options.parts);
    if (port_bpf__load(programs) != 0) return false;
    const auto& progs = programs->progs;
    hooks = {.veth_ingress = bpf_program__fd(progs.veth_ingress),
             .patch_ingress = bpf_program__fd(progs.patch_ingress),
             .patch_egress = bpf_program__fd(progs.patch_egress),
             .tap_egress = bpf_program__fd(progs.tap_egress),
             .tun_egress = bpf_program__fd(progs.tun_egress),
             .patches = bpf_map__fd(programs->maps.patches),
             .flows = bpf_map__fd(programs->maps.flows),
             .actions = bpf_map__fd(programs->maps.actions)};
    uplink_ingress = bpf_program__fd(progs.uplink_ingress);
    uplink_unwrap = bpf_program__fd(progs.uplink_unwrap);
    tunnels = bpf_map__fd(programs->maps.tunnels);
    ports_off = programs->bss->ports_off;
    return actions.map(programs->maps.actions) && counts.map(programs->maps.counts) &&
           misses.map(programs->maps.misses) && next_hops.map(programs->maps.next_hops) &&
           generations.map(programs->maps.generations) && make_rings();
}

bool FastPathKernel::make_rings() {
    for (std::uint32_t part = 0; part < options.parts; ++part) {
        const int fd =
            rings
                .emplace_back(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "samples", 0, 0, fast_ring_bytes, nullptr))
                .get();
        if (fd < 0 || bpf_map_update_elem(bpf_map__fd(programs->maps.samples), &part, &fd, BPF_ANY) != 0)
            return false;
    }
    return true;
}

void FastPathKernel::close_programs() noexcept {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, programs->obj) bpf_program__unload(program);
}

std::optional<std::uint32_t> FastPathKernel::source_of(PortId in, FastPort& port,
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
    if (bpf_map_update_elem(tunnels, &key, &source, BPF_ANY) != 0) return std::nullopt;
    port.sources.emplace(*vni, source);
    return source;
}

void FastPathKernel::forget_sources(FastPort& tunnel) const noexcept {
    for (const auto& [vni, source] : tunnel.sources) {
        const fast_tunnel key{to_kernel(tunnel.tunnel.remote.address), to_kernel(tunnel.tunnel.local),
                              to_kernel(vni)};
        bpf_map_delete_elem(tunnels, &key);
    }
    tunnel.sources.clear();
}

}  // namespace weft

#endif
