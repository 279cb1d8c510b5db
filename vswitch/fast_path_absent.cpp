// The fast path of a weft that was built without libbpf: there is none, and open() says so.
#ifndef WEFT_BPF

#include "vswitch/fast_flows.h"
#include "vswitch/fast_path.h"
#include "vswitch/path_probe.h"

namespace weft {

struct FastPathKernel {};

struct FastFlows::Part {};

FastPath::FastPath(std::shared_ptr<FastPathKernel> kernel) noexcept : kernel_(std::move(kernel)) {}

FastPath::FastPath(FastPath&&) noexcept = default;
FastPath& FastPath::operator=(FastPath&&) noexcept = default;
FastPath::~FastPath() = default;

std::expected<FastPath, FastPath::Failure> FastPath::open(const Options&) {
    return std::unexpected(Failure{"this weft was built without libbpf"});
}

Hook::Hook(Hook&& other) noexcept : link_(std::move(other.link_)) {}

Hook::~Hook() = default;

std::expected<PortHooks, std::string> hook_veth(const HookPrograms&, unsigned, unsigned, HookKind) {
    return std::unexpected(FastPath::Failure{"this weft was built without libbpf"});
}

std::expected<PortHooks, std::string> hook_device(const HookPrograms&, unsigned, HookKind) {
    return std::unexpected(FastPath::Failure{"this weft was built without libbpf"});
}

std::string try_port(const HookPrograms&, const PortHooks&, const std::string&,
                     const std::optional<std::string>&) {
    return "this weft was built without libbpf";
}

// Nobody has an object to call these with.
HookPrograms FastPath::hook_programs() const noexcept {
    return {};
}

std::unique_ptr<FastFlows> FastPath::flows(unsigned) {
    return nullptr;
}

void FastPath::add(PortId, PortHooks) {}

std::expected<void, FastPath::Failure> FastPath::add_veth(PortId, unsigned, unsigned) {
    return {};
}

std::expected<void, FastPath::Failure> FastPath::add_device(PortId, unsigned) {
    return {};
}

std::expected<void, FastPath::Failure> FastPath::add_uplink(unsigned) {
    return {};
}

int FastPath::unwrapping_program() const noexcept {
    return -1;
}

bool FastPath::set_tunnel(PortId, const Tunnel&) noexcept {
    return false;
}

void FastPath::remove(PortId) noexcept {}

void FastPath::close_programs() noexcept {}

void FastPath::set_impaired(PortId, bool) noexcept {}

void FastPath::set_enabled(PortId, bool) noexcept {}

FastPath::Misses FastPath::misses() const noexcept {
    return {};
}

FastFlows::FastFlows(std::shared_ptr<FastPathKernel>, unsigned) {}

FastFlows::~FastFlows() = default;

bool FastFlows::has_uplinks() const noexcept {
    return false;
}

bool FastFlows::insert(std::uint32_t, const FlowKey&, PortId, const Action&) noexcept {
    return false;
}

bool FastFlows::erase(std::uint32_t) noexcept {
    return false;
}

std::span<std::uint32_t> FastFlows::generations() const noexcept {
    return {};
}

FastFlows::Totals FastFlows::read(std::uint32_t) const noexcept {
    return {};
}

int FastFlows::sample_descriptor() const noexcept {
    return -1;
}

std::size_t FastFlows::take_samples(const std::function<void(const Sample&)>&) {
    return 0;
}

}  // namespace weft

#endif
