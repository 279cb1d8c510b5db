#ifdef WEFT_BPF

#include "vswitch/fast_flows.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "vswitch/bpf/layout.h"
#include "vswitch/checksum.h"
#include "vswitch/fast_path_kernel.h"
#include "vswitch/headers.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

static_assert(FastFlows::generation_count == fast_generations);

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

struct FastFlows::Part {
    Part(std::shared_ptr<FastPathKernel> of, unsigned which);
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

    ~Part() { ring_buffer__free(ring); }

    // What the programs are to know and do.
    struct Words {
        fast_flow_key key;
        std::uint64_t verdict = 0;
        fast_encapsulation encapsulation{};
    };

    static int give_sample(void* context, void* data, std::size_t);
    [[nodiscard]] Sample described(const fast_sample& sample) const;

    [[nodiscard]] Totals sum(std::uint32_t slot) const noexcept;
    [[nodiscard]] std::optional<Words> words_for(const FlowKey& flow, PortId in,
                                                 const Action& action) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> verdict_of(const FastPort& in, const Action& action,
                                                          std::uint8_t protocol) const noexcept;
    bool write_action(fast_action& action, const Words& words, PortId in,
                      const Action& wanted) const noexcept;

    std::shared_ptr<FastPathKernel> kernel;
    std::uint16_t number;
    std::uint32_t first_slot;
    ring_buffer* ring = nullptr;
    std::vector<Totals> before;  // what was in a slot's counts when its flow was inserted
    const std::function<void(const Sample&)>* take = nullptr;
};

FastFlows::Part::Part(std::shared_ptr<FastPathKernel> of, unsigned which)
    : kernel(std::move(of)),
      number(static_cast<std::uint16_t>(which)),
      first_slot(which * kernel->options.max_flows),
      before(kernel->options.max_flows) {
    ring = ring_buffer__new(kernel->rings[which].get(), give_sample, this, nullptr);
    if (ring == nullptr) throw_system_error("cannot read the samples of the fast path", errno);
}

int FastFlows::Part::give_sample(void* context, void* data, std::size_t) {
    const auto& part = *static_cast<const Part*>(context);
    const auto& sample = *static_cast<const fast_sample*>(data);
    const bool is_probe = sample.slot + 1 == part.kernel->slots();
    if (!is_probe) (*part.take)(part.described(sample));
    return 0;
}

// By where the packet came from and went to, whatever the action says of ports.
FastFlows::Sample FastFlows::Part::described(const fast_sample& sample) const {
    const std::lock_guard lock(kernel->mutex);
    const auto& ports = kernel->ports;
    const auto& sources = kernel->sources;
    const auto by_device = [&ports](std::uint32_t device) {
        return std::ranges::find_if(
            ports, [&](const auto& port) { return !port.second.is_tunnel && port.second.device == device; });
    };
    Sample given{.slot = sample.slot - first_slot,
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
    return given;
}

FastFlows::Totals FastFlows::Part::sum(std::uint32_t slot) const noexcept {
    Totals sum;
    for (std::size_t processor = 0; processor < kernel->processors; ++processor) {
        auto& count = kernel->counts[processor * kernel->slots() + first_slot + slot];
        sum.packets += weft::load(count.packets);
        sum.bytes += weft::load(count.bytes);
        sum.last_seen = std::max(sum.last_seen,
                                 Instant{Duration{static_cast<Duration::rep>(weft::load(count.last_seen))}});
    }
    return sum;
}

// Nothing: it is not to be had.
std::optional<FastFlows::Part::Words> FastFlows::Part::words_for(const FlowKey& flow, PortId in,
                                                                 const Action& action) const noexcept {
    const std::lock_guard lock(kernel->mutex);
    const auto from = kernel->ports.find(in);
    if (from == kernel->ports.end() || !from->second.carries || from->second.is_impaired) return std::nullopt;
    const auto source = kernel->source_of(in, from->second, action.vni_in);
    const auto key = source ? kernel_key(flow, *source) : std::nullopt;
    const auto verdict = verdict_of(from->second, action, flow.protocol);
    if (!key || !verdict) return std::nullopt;
    Words words{.key = *key, .verdict = *verdict};
    const auto out = kernel->ports.find(action.out);
    if (out != kernel->ports.end() && out->second.is_tunnel) {
        if (!action.vni_out) return std::nullopt;
        words.encapsulation = {to_kernel(*action.vni_out),
                               std::bit_cast<std::uint16_t>(be16{action.source_port}), out->second.next_hop};
    }
    return words;
}

std::optional<std::uint64_t> FastFlows::Part::verdict_of(const FastPort& in, const Action& action,
                                                         std::uint8_t protocol) const noexcept {
    if (action.kind == Action::Kind::drop) return fast_verdict(fast_drop, 0, action.mtu, 0);
    const auto out = kernel->ports.find(action.out);
    if (out == kernel->ports.end() || (out->second.link != in.link && !action.rewrite)) return std::nullopt;
    const FastPort& to = out->second;
    if (!to.carries || to.is_impaired || (to.is_tunnel && kernel->silent_uplinks.contains(to.device)))
        return std::nullopt;
    const std::uint32_t addresses = to.link == LinkLayer::ethernet ? fast_new_addresses : 0;
    const std::uint32_t routed = action.rewrite ? fast_routed | addresses : 0;
    if (!to.is_tunnel)
        return fast_verdict(routed | fast_to_port, redirect_between(in, to, protocol), action.mtu, to.device);
    if (in.is_tunnel || !action.vni_out) return std::nullopt;
    return fast_verdict(routed | fast_encapsulate, fast_redirect_egress, action.mtu, to.device);
}

// layout.h says why in this order.
bool FastFlows::Part::write_action(fast_action& action, const Words& words, PortId in,
                                   const Action& wanted) const noexcept {
    const bool is_new = std::atomic_ref(action.verdict).load() == 0;
    if (!is_new && !is_same(action.key, words.key)) return false;
    std::atomic_ref(action.verdict).store(0);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (is_new) action.key = words.key;
    std::atomic_thread_fence(std::memory_order_release);
    action.in_port = in.value();
    action.part = number;
    for (std::size_t i = 0; i < wanted.dependencies.size(); ++i)
        action.dependencies[i] = {wanted.dependencies[i].generation, wanted.dependencies[i].value};
    action.tag = wanted.tag;
    action.sampled = 0;
    if (wanted.rewrite) {
        std::ranges::copy(wanted.rewrite->destination.octets, action.addresses);
        std::ranges::copy(wanted.rewrite->source.octets, action.addresses + 6);
    }
    action.encapsulation = words.encapsulation;
    std::atomic_ref(action.verdict).store(words.verdict);
    return true;
}

FastFlows::FastFlows(std::shared_ptr<FastPathKernel> kernel, unsigned part)
    : part_(std::make_unique<Part>(std::move(kernel), part)) {}

FastFlows::~FastFlows() = default;

bool FastFlows::insert(std::uint32_t slot, const FlowKey& flow, PortId in, const Action& action) noexcept {
    if (slot >= part_->before.size()) return false;
    const auto words = part_->words_for(flow, in, action);
    if (!words) return false;
    const FastPathKernel& kernel = *part_->kernel;
    const std::uint32_t place = part_->first_slot + slot;
    auto& entry = kernel.actions[place];
    const bool is_new = std::atomic_ref(entry.verdict).load() == 0;
    if (!part_->write_action(entry, *words, in, action)) return false;
    if (!is_new) return true;
    part_->before[slot] = part_->sum(slot);
    part_->before[slot].last_seen = coarse_now();
    if (bpf_map_update_elem(kernel.hooks.flows, &words->key, &place, BPF_NOEXIST) == 0) return true;
    std::atomic_ref(entry.verdict).store(0);
    return false;
}

bool FastFlows::erase(std::uint32_t slot) noexcept {
    if (slot >= part_->before.size()) return false;
    auto& action = part_->kernel->actions[part_->first_slot + slot];
    if (std::atomic_ref(action.verdict).exchange(0) == 0) return false;
    return bpf_map_delete_elem(part_->kernel->hooks.flows, &action.key) == 0;
}

std::span<std::uint32_t> FastFlows::generations() const noexcept {
    return part_->kernel->generations[part_->number].of;
}

bool FastFlows::has_uplinks() const noexcept {
    const std::lock_guard lock(part_->kernel->mutex);
    return !part_->kernel->uplinks.empty();
}

FastFlows::Totals FastFlows::read(std::uint32_t slot) const noexcept {
    const Totals& before = part_->before[slot];
    Totals totals = part_->sum(slot);
    totals.packets -= before.packets;
    totals.bytes -= before.bytes;
    totals.last_seen = std::max(totals.last_seen, before.last_seen);
    return totals;
}

int FastFlows::sample_descriptor() const noexcept {
    return ring_buffer__epoll_fd(part_->ring);
}

std::size_t FastFlows::take_samples(const std::function<void(const Sample&)>& take) {
    part_->take = &take;
    const int taken = ring_buffer__consume(part_->ring);
    part_->take = nullptr;
    return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

}  // namespace weft

#endif
