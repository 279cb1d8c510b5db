// Where peers are on the underlay.
#include <fmt/format.h>

#include "config/unique.h"
#include "config/validate.h"

namespace weft::config {

namespace {

// A socket on [::] serves IPv4 too.
bool reaches(const IpAddress& local, const IpAddress& remote) noexcept {
    return local.is_v6() == remote.is_v6() || (local.is_v6() && local.is_unspecified());
}

}  // namespace

void validate_endpoints(const Config& config, const Origins& origins, Report& report) {
    Unique<IpAddress> plain;  // a plain peer is told by its address alone
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        const Peer& peer = config.peers[i];
        const auto address = peer.endpoint_host ? IpAddress::parse(*peer.endpoint_host) : std::nullopt;
        if (!address) continue;
        const Position at = origins.peers[i].at("endpoint");
        const bool is_esp = peer.encryption == Peer::Encryption::esp;
        const Endpoint& local = is_esp ? config.underlay.esp : config.underlay.vxlan;
        if (!reaches(local.address, *address)) {
            report.add(
                at, fmt::format("{} cannot be reached from {}", address->to_string(), local.to_string()),
                fmt::format("write {} = \"[::]:{}\" in [underlay]", is_esp ? "esp" : "vxlan", local.port));
        }
        if (is_esp) continue;
        if (const auto first = plain.seen(*address, at)) {
            report.add(at,
                       fmt::format("a second peer with encryption = \"none\" at {}", address->to_string()),
                       fmt::format("change it or the one in line {}", first->line));
        }
    }
}

}  // namespace weft::config
