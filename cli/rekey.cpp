#include "cli/rekey.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/keying.h"
#include "cli/rpc.h"
#include "config/nearest.h"

namespace weft {

using nlohmann::json;

namespace {

[[noreturn]] void unknown_peer(const Names& names, const std::string& name) {
    std::vector<std::string_view> known;
    known.reserve(names.peers.size());
    for (const auto& [id, peer] : names.peers) known.emplace_back(peer.name);
    throw InvalidParams(fmt::format("no peer is called '{}': {}", name,
                                    config::did_you_mean(name, known, "weft peers shows them all")));
}

json rekey_one(Keying& keying, const Names& names, const std::string& name) {
    const auto found =
        std::ranges::find_if(names.peers, [&](const auto& entry) { return entry.second.name == name; });
    if (found == names.peers.end()) unknown_peer(names, name);
    const auto why_not = [&](std::string_view reason) {
        throw InvalidParams(fmt::format("peer {}: {}", name, reason));
    };
    switch (found->second.protection) {
        case PeerInfo::Protection::none:
            why_not("it has no keys (encryption = \"none\")");
            break;
        case PeerInfo::Protection::manual:
            why_not("its keys are set by hand: make new ones, and a new counter file, on both sides");
            break;
        case PeerInfo::Protection::esp:
            if (!keying.rekey(found->first))
                why_not(
                    "where it is on the underlay is not known: it has to speak first, or needs an endpoint");
    }
    return json{{"rekeyed", {name}}};
}

}  // namespace

json rekey(Keying& keying, const Names& names, const json& params) {
    const bool named = params.is_object() && params.contains("peer") && !params.at("peer").is_null();
    if (named && !params.at("peer").is_string()) throw InvalidParams("'peer' is the name of a peer");
    if (named) return rekey_one(keying, names, params.at("peer").get<std::string>());
    json rekeyed = json::array();
    for (const auto& [id, peer] : names.peers) {
        if (keying.has_session(id) && keying.rekey(id)) rekeyed.push_back(peer.name);
    }
    return json{{"rekeyed", rekeyed}};
}

}  // namespace weft
