// Identities and hand-set keys. A key that seals in two places would use a nonce twice, since an SA's nonces
// are its sequence numbers: AES-GCM and ChaCha20-Poly1305 then give away plaintext and forgeries alike.
#include <algorithm>

#include <fmt/format.h>

#include "config/unique.h"
#include "config/validate.h"

namespace weft::config {

namespace {

bool needs_identity(const Origins& origins) {
    return std::ranges::any_of(origins.peers, [](const Section& peer) {
        return !peer.has("manual") && peer.text("encryption").value_or("esp") == "esp";
    });
}

void check_identity(const Origins& origins, Report& report) {
    if (!origins.node || origins.node->has("private_key_file") || !needs_identity(origins)) return;
    report.add(origins.node->at(), "[node] has no 'private_key_file', which encrypted peers need",
               "make one with weft genkey, and add private_key_file = \"...\"");
}

void check_public_keys(const Config& config, const Origins& origins, Report& report) {
    Unique<PublicKey> keys;
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        const PublicKey& key = config.peers[i].public_key;
        if (key == PublicKey{}) continue;
        const Position at = origins.peers[i].at("public_key");
        if (config.node.private_key && key == config.node.public_key) {
            report.add(at, "this is the node's own public key",
                       "write the one that weft pubkey prints at the peer");
        } else if (const auto first = keys.seen(key, at)) {
            report.add(
                at, "a second peer with this public key",
                fmt::format("change it or the one in line {}: each node has a key of its own", first->line));
        }
    }
}

// Of `key` in the table `sa` of a peer's [peer.manual].
Position position_in_manual(const Section& peer, std::string_view sa, std::string_view key) {
    const auto manual = peer.table("manual", manual_schema);
    const auto table = manual ? manual->table(sa, manual_sa_schema) : std::nullopt;
    return table ? table->at(key) : peer.at();
}

struct ManualKey {
    const SaKeys* keys;
    Position at;
};

std::vector<ManualKey> manual_keys(const Config& config, const Origins& origins) {
    std::vector<ManualKey> all;
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        const auto& manual = config.peers[i].manual;
        if (!manual) continue;
        all.push_back({&manual->outbound, position_in_manual(origins.peers[i], "send", "key_file")});
        all.push_back({&manual->inbound, position_in_manual(origins.peers[i], "receive", "key_file")});
    }
    return all;
}

void check_manual_keys(const Config& config, const Origins& origins, Report& report) {
    auto all = manual_keys(config, origins);
    const auto less = [](const ManualKey& a, const ManualKey& b) {
        return std::ranges::lexicographical_compare(a.keys->key.bytes(), b.keys->key.bytes());
    };
    std::ranges::sort(all, [&](const ManualKey& a, const ManualKey& b) {
        return less(a, b) || (!less(b, a) && a.at < b.at);
    });
    for (std::size_t i = 1, first = 0; i < all.size(); ++i) {
        if (less(all[first], all[i])) {
            first = i;
        } else {
            report.add(
                all[i].at, fmt::format("the same key as in line {}", all[first].at.line),
                "make a key for each direction of each peer: a key that is used twice protects nothing");
        }
    }
}

void check_manual_sas(const Config& config, const Origins& origins, Report& report) {
    Unique<std::uint32_t> spis;
    Unique<std::string> counter_files;
    for (std::size_t i = 0; i < config.peers.size(); ++i) {
        const auto& manual = config.peers[i].manual;
        const auto section = origins.peers[i].table("manual", manual_schema);
        if (!manual || !section) continue;
        const Position spi_at = position_in_manual(origins.peers[i], "receive", "spi");
        if (const auto first = spis.seen(manual->inbound.spi, spi_at)) {
            report.add(spi_at, fmt::format("a second SA that receives with SPI {:#x}", manual->inbound.spi),
                       fmt::format("change it or the one in line {}", first->line));
        }
        const Position counter_at = section->at("counter_file");
        if (const auto first = counter_files.seen(manual->counter_file, counter_at)) {
            report.add(counter_at,
                       fmt::format("a second SA with counter file {}", quoted(manual->counter_file)),
                       fmt::format("change it or the one in line {}", first->line));
        }
    }
}

// Each worker would have a link of its own, with all of the rate.
void check_impaired_workers(const Config& config, const Origins& origins, Report& report) {
    if (config.node.workers == 1) return;
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        if (!config.ports[i].impair) continue;
        report.add(origins.ports[i].at("impair"), "an emulated link cannot be shared by several workers",
                   "write workers = 1 in [node], or remove [port.impair]");
    }
}

// Such a key has one sequence of numbers, which only one thread can count.
void check_manual_workers(const Config& config, const Origins& origins, Report& report) {
    const auto manual =
        std::ranges::find_if(config.peers, [](const Peer& peer) { return peer.manual.has_value(); });
    if (config.node.workers == 1 || manual == config.peers.end() || !origins.node) return;
    report.add(
        origins.node->at("workers"),
        fmt::format("more than one worker, and the keys of peer {} are set by hand", quoted(manual->name)),
        "write workers = 1: such a key is for one worker");
}

}  // namespace

void validate_keys(const Config& config, const Origins& origins, Report& report) {
    check_identity(origins, report);
    check_public_keys(config, origins, report);
    check_manual_workers(config, origins, report);
    check_impaired_workers(config, origins, report);
    check_manual_sas(config, origins, report);
    check_manual_keys(config, origins, report);
}

}  // namespace weft::config
