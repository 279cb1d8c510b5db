#include "cli/deny.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/rpc.h"

namespace weft {

using nlohmann::json;

namespace {

Prefix prefix_of(const json& params) {
    if (!params.is_object() || !params.contains("prefix") || !params.at("prefix").is_string())
        throw InvalidParams("'prefix' is a text, as in \"203.0.113.0/24\"");
    const auto text = params.at("prefix").get<std::string>();
    const auto prefix = Prefix::parse(text);
    if (!prefix) {
        throw InvalidParams(
            fmt::format("'{}' is not a prefix: write it as in 203.0.113.0/24 or 2001:db8::/32", text));
    }
    if (prefix->network() != *prefix) {
        throw InvalidParams(
            fmt::format("{} has host bits set: write {}", text, prefix->network().to_string()));
    }
    return *prefix;
}

}  // namespace

bool DeniedSources::add(const Prefix& prefix) {
    if (!prefixes_.insert(prefix).second) return false;
    tell_(Change::add, prefix);
    return true;
}

bool DeniedSources::remove(const Prefix& prefix) {
    if (prefixes_.erase(prefix) == 0) return false;
    tell_(Change::remove, prefix);
    return true;
}

std::vector<std::string> peers_within(const Prefix& prefix, const std::vector<config::Peer>& peers) {
    std::vector<std::string> within;
    for (const config::Peer& peer : peers) {
        const auto address = peer.endpoint_host ? IpAddress::parse(*peer.endpoint_host) : std::nullopt;
        if (address && prefix.contains(*address)) within.push_back(peer.name);
    }
    return within;
}

json deny_add(DeniedSources& denied, const std::vector<config::Peer>& peers, const json& params) {
    const Prefix prefix = prefix_of(params);
    if (!denied.add(prefix)) {
        throw InvalidParams(
            fmt::format("{} is denied already: weft deny show has them all", prefix.to_string()));
    }
    spdlog::info("{} is denied the underlay", prefix.to_string());
    return json{{"prefix", prefix.to_string()}, {"peers", peers_within(prefix, peers)}};
}

json deny_del(DeniedSources& denied, const json& params) {
    const Prefix prefix = prefix_of(params);
    if (!denied.remove(prefix)) {
        const auto wider = std::ranges::find_if(denied.prefixes(), [&](const Prefix& other) {
            return other.length < prefix.length && other.contains(prefix.address);
        });
        throw InvalidParams(
            wider != denied.prefixes().end()
                ? fmt::format("{} is denied only as part of {}: remove that one", prefix.to_string(),
                              wider->to_string())
                : fmt::format("{} is not denied: weft deny show has all that are", prefix.to_string()));
    }
    spdlog::info("{} is allowed the underlay again", prefix.to_string());
    return json{{"prefix", prefix.to_string()}};
}

}  // namespace weft
