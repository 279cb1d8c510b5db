#include "cli/uplink_guard.h"

#include <algorithm>
#include <expected>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft {

namespace {

// Room for what is denied by commands, too.
constexpr std::size_t least_prefixes = 4096;

std::string_view to_string(EarlyDrop::Mode mode) noexcept {
    return mode == EarlyDrop::Mode::native ? "xdp native" : "xdp generic";
}

}  // namespace

bool UplinkGuard::is_wanted(const config::FastPath& fast_path) noexcept {
    return fast_path.mode == Mode::automatic || fast_path.mode == Mode::xdp;
}

void UplinkGuard::open(const config::Config& config, std::vector<Endpoint> endpoints) {
    mode_ = config.fast_path.mode;
    if (mode_ == Mode::off) return;
    for (Uplink& uplink : find_uplinks(config))
        uplinks_.push_back({.device = std::move(uplink), .why_not = {}, .refused = {}});
    std::string why_not = "[fastpath] mode = \"tc\" has none";
    if (is_wanted(config.fast_path)) {
        const std::size_t prefixes = std::max(least_prefixes, 2 * config.underlay.deny.size());
        auto opened = EarlyDrop::open(
            {.endpoints = std::move(endpoints), .max_prefixes = static_cast<std::uint32_t>(prefixes)});
        if (opened) {
            early_drop_.emplace(std::move(*opened));
        } else {
            why_not = opened.error();
        }
    }
    for (Guarded& uplink : uplinks_) {
        if (!early_drop_) {
            uplink.why_not = why_not;
        } else if (uplink.device.index == 0) {
            uplink.why_not = "no such device";
        } else if (const auto added = early_drop_->add(uplink.device.index); !added) {
            uplink.why_not = added.error();
        }
    }
    if (mode_ != Mode::xdp) return;
    if (!early_drop_) throw std::runtime_error("[fastpath] mode = \"xdp\": " + why_not);
    if (uplinks_.empty()) {
        throw std::runtime_error(
            "[fastpath] mode = \"xdp\": no route tells an uplink: name it in [fastpath] uplinks");
    }
    attach();
    for (const Guarded& uplink : uplinks_) {
        if (mode_at(uplink)) continue;
        throw std::runtime_error(fmt::format("[fastpath] mode = \"xdp\": uplink {}: {}", uplink.device.name,
                                             uplink.why_not.empty() ? uplink.refused : uplink.why_not));
    }
}

void UplinkGuard::go_on_to(int program) {
    if (!early_drop_) return;
    const auto done = early_drop_->go_on_to(program);
    if (!done && mode_ == Mode::xdp) throw std::runtime_error("[fastpath] mode = \"xdp\": " + done.error());
    if (!done) spdlog::info("early drop: {}", done.error());
}

void UplinkGuard::attach() {
    for (Guarded& uplink : uplinks_) attach(uplink);
}

void UplinkGuard::attach(Guarded& uplink) {
    std::expected<EarlyDrop::Mode, EarlyDrop::Failure> attached = std::unexpected(uplink.why_not);
    if (early_drop_ && uplink.why_not.empty()) attached = early_drop_->attach(uplink.device.index);
    if (attached) {
        uplink.refused.clear();
        spdlog::info("early drop: {}: {}", uplink.device.name, to_string(*attached));
    } else if (uplink.refused != attached.error()) {
        uplink.refused = attached.error();
        if (mode_ != Mode::xdp) spdlog::info("early drop: {}: none: {}", uplink.device.name, uplink.refused);
    }
}

void UplinkGuard::change(DeniedSources::Change change, const Prefix& prefix) {
    const bool adds = change == DeniedSources::Change::add;
    const bool had_any = denied_ > 0;
    adds ? ++denied_ : --denied_;
    if (early_drop_ && !adds) early_drop_->allow(prefix);
    if (early_drop_ && adds && !early_drop_->deny(prefix))
        spdlog::warn("early drop: no room for {}: weftd drops it", prefix.to_string());
    if (mode_ != Mode::automatic) return;
    if (!had_any) attach();
    if (!early_drop_ || denied_ > 0) return;
    for (const Guarded& uplink : uplinks_) early_drop_->detach(uplink.device.index);
}

bool UplinkGuard::is_attached() const {
    return std::ranges::any_of(uplinks_, [this](const Guarded& uplink) { return bool{mode_at(uplink)}; });
}

std::optional<EarlyDrop::Mode> UplinkGuard::mode_at(const Guarded& uplink) const {
    return early_drop_ ? early_drop_->mode(uplink.device.index) : std::nullopt;
}

void UplinkGuard::add_to(Snapshot& snapshot) const {
    if (!early_drop_) return;
    const bool attached = is_attached();
    for (DeniedSnapshot& denied : snapshot.denied) {
        const auto counts = early_drop_->counts(denied.prefix);
        if (!counts) continue;
        denied.packets += counts->packets;
        denied.bytes += counts->bytes;
        denied.early_packets = counts->packets;
        denied.is_early = attached;
    }
    snapshot.underlay_drops.add(Drop::denied, early_drop_->total().packets);
}

std::vector<UplinkInfo> UplinkGuard::report() const {
    std::vector<UplinkInfo> report;
    for (const Guarded& uplink : uplinks_) {
        UplinkInfo& info = report.emplace_back();
        info.device = uplink.device.name;
        if (const auto mode = mode_at(uplink)) {
            info.early_drop = to_string(*mode);
        } else if (!uplink.why_not.empty()) {
            info.why_not = uplink.why_not;
        } else if (denied_ == 0) {
            info.why_not = "nobody is denied";
        } else {
            info.why_not = uplink.refused.empty() ? "it was taken off" : uplink.refused;
        }
    }
    return report;
}

}  // namespace weft
