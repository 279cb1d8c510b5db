// The early drop of a weft that was built without libbpf: there is none, and open() says so.
#ifndef WEFT_BPF

#include "vswitch/early_drop.h"

namespace weft {

struct EarlyDrop::Kernel {};

EarlyDrop::EarlyDrop(std::unique_ptr<Kernel> kernel) noexcept : kernel_(std::move(kernel)) {}

EarlyDrop::EarlyDrop(EarlyDrop&&) noexcept = default;
EarlyDrop& EarlyDrop::operator=(EarlyDrop&&) noexcept = default;
EarlyDrop::~EarlyDrop() = default;

std::expected<EarlyDrop, EarlyDrop::Failure> EarlyDrop::open(const Options&) {
    return std::unexpected(Failure{"this weft was built without libbpf"});
}

// Nobody has an object to call these with.
std::expected<void, EarlyDrop::Failure> EarlyDrop::add(unsigned) {
    return {};
}

std::expected<EarlyDrop::Mode, EarlyDrop::Failure> EarlyDrop::attach(unsigned, Attach) {
    return Mode::generic;
}

void EarlyDrop::detach(unsigned) noexcept {}

std::optional<EarlyDrop::Mode> EarlyDrop::mode(unsigned) const noexcept {
    return std::nullopt;
}

std::expected<void, EarlyDrop::Failure> EarlyDrop::go_on_to(int) {
    return {};
}

bool EarlyDrop::deny(const Prefix&) {
    return false;
}

void EarlyDrop::allow(const Prefix&) noexcept {}

std::optional<EarlyDrop::Counts> EarlyDrop::counts(const Prefix&) const {
    return std::nullopt;
}

EarlyDrop::Counts EarlyDrop::total() const noexcept {
    return {};
}

}  // namespace weft

#endif
