#ifdef WEFT_BPF

#include "vswitch/early_drop.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <map>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/uplink.skel.h>

#include "vswitch/bpf/uplink_layout.h"
#include "vswitch/bpf_support.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

using Failure = EarlyDrop::Failure;
using Counts = EarlyDrop::Counts;
using Mode = EarlyDrop::Mode;

static_assert(sizeof(early_key4) == 8 && sizeof(early_key6) == 20 && sizeof(early_count) == 16);

early_endpoint to_kernel(const Endpoint& endpoint) noexcept {
    early_endpoint result{};
    std::ranges::copy(std::bit_cast<std::array<__be32, 4>>(endpoint.address.octets()), result.address);
    result.port = std::bit_cast<std::uint16_t>(be16{endpoint.port});
    result.families = endpoint.address.is_v4()            ? early_ipv4
                      : endpoint.address.is_unspecified() ? early_ipv4 | early_ipv6
                                                          : early_ipv6;
    return result;
}

// Calls `use` with the key of the prefix.
template <class Use>
int with_key(const Prefix& prefix, Use&& use) {
    const auto words = std::bit_cast<std::array<__be32, 4>>(prefix.network().address.octets());
    if (prefix.address.is_v4()) {
        const early_key4 key{.length = prefix.length, .address = words[0]};
        return use(&key);
    }
    early_key6 key{.length = prefix.length, .address = {}};
    std::ranges::copy(words, key.address);
    return use(&key);
}

std::string reason_and_cure(int error, const std::string& device) {
    if (error == EBUSY || error == EEXIST)
        return "another XDP program is there: take it off (ip link set dev " + device + " xdp off)";
    if (error == EPERM) return message(error) + ": run as root, or with CAP_BPF and CAP_NET_ADMIN";
    return message(error);
}

struct Device {
    std::string name;
    Descriptor link;
    Mode mode = Mode::native;
};

struct Denied {
    std::uint32_t slot = 0;
    Counts before;  // what was in the slot's counts
};

}  // namespace

struct EarlyDrop::Kernel {
    Kernel() noexcept = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;

    ~Kernel() {
        devices.clear();
        uplink_bpf__destroy(program);
    }

    bool load(const Options& options);
    [[nodiscard]] Counts sum(std::uint32_t slot) const noexcept;
    [[nodiscard]] Descriptor link(unsigned device, std::uint32_t flags) const noexcept;

    [[nodiscard]] int trie_of(const Prefix& prefix) const noexcept {
        return bpf_map__fd(prefix.address.is_v4() ? program->maps.denied4 : program->maps.denied6);
    }

    std::uint32_t slots = 0;
    std::uint32_t processors = 0;
    uplink_bpf* program = nullptr;
    MapMemory<early_count> drops;
    std::map<unsigned, Device> devices;
    std::map<Prefix, Denied> denied;
    std::vector<std::uint32_t> free_slots;
    std::uint32_t used_slots = 0;  // so far
};

bool EarlyDrop::Kernel::load(const Options& options) {
    const int possible = libbpf_num_possible_cpus();
    program = possible > 0 ? uplink_bpf__open() : nullptr;
    if (!program) return false;
    processors = static_cast<std::uint32_t>(possible);
    slots = std::max(options.max_prefixes, 1U);
    program->rodata->slots = slots;
    for (std::size_t i = 0; i < options.endpoints.size() && i < early_endpoints; ++i)
        program->rodata->endpoints[i] = to_kernel(options.endpoints[i]);
    bpf_map__set_max_entries(program->maps.denied4, slots);
    bpf_map__set_max_entries(program->maps.denied6, slots);
    bpf_map__set_max_entries(program->maps.drops, slots * processors);
    return uplink_bpf__load(program) == 0 && drops.map(program->maps.drops);
}

Counts EarlyDrop::Kernel::sum(std::uint32_t slot) const noexcept {
    Counts sum;
    for (std::size_t processor = 0; processor < processors; ++processor) {
        auto& count = drops[processor * slots + slot];
        sum.packets += weft::load(count.packets);
        sum.bytes += weft::load(count.bytes);
    }
    return sum;
}

// Or none, and errno.
Descriptor EarlyDrop::Kernel::link(unsigned device, std::uint32_t flags) const noexcept {
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = flags;
    Descriptor link{bpf_link_create(bpf_program__fd(program->progs.uplink_xdp), static_cast<int>(device),
                                    BPF_XDP, &options)};
    if (!link) return link;
    bpf_link_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0) return {};
    if (info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == device) return link;
    errno = ENODEV;
    return {};
}

EarlyDrop::EarlyDrop(std::unique_ptr<Kernel> kernel) noexcept : kernel_(std::move(kernel)) {}

EarlyDrop::EarlyDrop(EarlyDrop&&) noexcept = default;
EarlyDrop& EarlyDrop::operator=(EarlyDrop&&) noexcept = default;
EarlyDrop::~EarlyDrop() = default;

std::expected<EarlyDrop, Failure> EarlyDrop::open(const Options& options) {
    listen_to_libbpf();
    auto kernel = std::make_unique<Kernel>();
    if (!kernel->load(options)) {
        const int error = errno;
        return std::unexpected("cannot load the BPF program of the early drop: " + message(error) + ": " +
                               cure_for_loading(error));
    }
    return EarlyDrop(std::move(kernel));
}

std::expected<void, Failure> EarlyDrop::add(unsigned device) {
    const auto layer = link_layer_of(device);
    if (!layer) return std::unexpected(layer.error());
    const std::string name = device_name(device);
    if (*layer != LinkLayer::ethernet)
        return std::unexpected(name + " has no Ethernet headers, which XDP is for");
    kernel_->devices[device].name = name;
    return {};
}

std::expected<Mode, Failure> EarlyDrop::attach(unsigned device, Attach how) {
    const auto found = kernel_->devices.find(device);
    if (found == kernel_->devices.end())
        return std::unexpected("interface " + std::to_string(device) + " is not one that was added");
    if (const auto already = mode(device)) return *already;
    Device& to = found->second;
    int error = 0;
    for (const auto& [mode, wanted, flags] : {std::tuple{Mode::native, Attach::native, XDP_FLAGS_DRV_MODE},
                                              {Mode::generic, Attach::generic, XDP_FLAGS_SKB_MODE}}) {
        if (how != Attach::best && how != wanted) continue;
        to.link = kernel_->link(device, flags);
        to.mode = mode;
        if (to.link) return mode;
        // The generic mode is refused because of another program's native one, too, in other words.
        if (error != EBUSY) error = errno;
    }
    return std::unexpected("cannot attach the early drop to " + to.name + ": " +
                           reason_and_cure(error, to.name));
}

void EarlyDrop::detach(unsigned device) noexcept {
    const auto found = kernel_->devices.find(device);
    if (found != kernel_->devices.end()) found->second.link = {};
}

std::optional<Mode> EarlyDrop::mode(unsigned device) const noexcept {
    const auto found = kernel_->devices.find(device);
    if (found == kernel_->devices.end() || !found->second.link) return std::nullopt;
    bpf_link_info info{};
    __u32 size = sizeof info;
    // A link whose device has gone away is at interface 0.
    if (bpf_obj_get_info_by_fd(found->second.link.get(), &info, &size) != 0 || info.xdp.ifindex != device)
        return std::nullopt;
    return found->second.mode;
}

std::expected<void, Failure> EarlyDrop::go_on_to(int program) {
    const std::uint32_t first = 0;
    if (bpf_map_update_elem(bpf_map__fd(kernel_->program->maps.next), &first, &program, BPF_ANY) == 0)
        return {};
    return std::unexpected("cannot let frames go on to another XDP program: " + message(errno));
}

bool EarlyDrop::deny(const Prefix& prefix) {
    const Prefix network = prefix.network();
    if (kernel_->denied.contains(network)) return true;
    if (kernel_->free_slots.empty()) {
        if (kernel_->used_slots == kernel_->slots) return false;
        kernel_->free_slots.push_back(kernel_->used_slots++);
    }
    const std::uint32_t slot = kernel_->free_slots.back();
    const auto entry = kernel_->denied.try_emplace(network, slot, kernel_->sum(slot)).first;
    const bool added = with_key(network, [&](const void* key) {
                           return bpf_map_update_elem(kernel_->trie_of(network), key, &slot, BPF_ANY);
                       }) == 0;
    if (added) {
        kernel_->free_slots.pop_back();
    } else {
        kernel_->denied.erase(entry);
    }
    return added;
}

void EarlyDrop::allow(const Prefix& prefix) noexcept {
    const auto found = kernel_->denied.find(prefix.network());
    if (found == kernel_->denied.end()) return;
    with_key(found->first,
             [&](const void* key) { return bpf_map_delete_elem(kernel_->trie_of(found->first), key); });
    kernel_->free_slots.push_back(found->second.slot);
    kernel_->denied.erase(found);
}

std::optional<Counts> EarlyDrop::counts(const Prefix& prefix) const {
    const auto found = kernel_->denied.find(prefix.network());
    if (found == kernel_->denied.end()) return std::nullopt;
    const auto& [slot, before] = found->second;
    const Counts now = kernel_->sum(slot);
    return Counts{now.packets - before.packets, now.bytes - before.bytes};
}

Counts EarlyDrop::total() const noexcept {
    Counts total;
    for (std::uint32_t slot = 0; slot < kernel_->used_slots; ++slot) {
        const Counts one = kernel_->sum(slot);
        total.packets += one.packets;
        total.bytes += one.bytes;
    }
    return total;
}

}  // namespace weft

#endif
