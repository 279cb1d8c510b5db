#include "cli/masquerade.h"

#include <algorithm>

#include "cli/forwarding.h"

namespace weft {

namespace {

// A packet port's device is the host's own: what leaves by it may well be for the outside.
bool is_made_by_weft(const config::Port& port) {
    return !port.netns && port.type != config::Port::Type::packet;
}

bool has_version(const NatRules& rules, bool v6) {
    return std::ranges::any_of(rules.sources,
                               [&](const Prefix& source) { return source.address.is_v6() == v6; });
}

}  // namespace

std::optional<NatRules> nat_rules(const config::Config& config) {
    NatRules rules{.node = config.node.name, .sources = {}, .devices = {}};
    for (const config::Bridge& bridge : config.bridges) {
        if (!bridge.masquerade) continue;
        for (const Prefix& gateway : bridge.gateway) rules.sources.push_back(gateway.network());
    }
    if (rules.sources.empty()) return std::nullopt;
    for (const config::Port& port : config.ports) {
        if (is_made_by_weft(port)) rules.devices.push_back(port.device);
    }
    return rules;
}

std::vector<std::string> Masquerade::sync(const std::optional<NatRules>& rules) {
    if (!rules) {
        table_.reset();
        return {};
    }
    if (!table_ || *rules != installed_) {
        if (!table_) table_ = std::make_unique<NatTable>();
        table_->install(*rules);
        installed_ = *rules;
    }
    std::vector<std::string> warnings;
    for (const IpVersion version : {IpVersion::v4, IpVersion::v6}) {
        if (!has_version(*rules, version == IpVersion::v6)) continue;
        if (auto warning = switch_on_forwarding(version)) warnings.push_back(std::move(*warning));
    }
    return warnings;
}

}  // namespace weft
