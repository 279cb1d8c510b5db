#include "lab/simulation/site_config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/load.h"
#include "crypto/x25519.h"
#include "lab/simulation/simulated_random.h"

namespace weft::lab {

namespace {

// Base64 of 32 bytes that are zero but for the last.
constexpr std::string_view made_up = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

bool is_made_up(const PrivateKey& key) {
    std::array<std::uint8_t, PrivateKey::size> bytes{};
    bytes.back() = 1;
    return std::ranges::equal(key.bytes(), bytes);
}

int open_made_up() noexcept {
    const int file = ::memfd_create("weft-key", MFD_CLOEXEC);
    if (file < 0) return -1;
    const auto size = static_cast<ssize_t>(made_up.size());
    if (::fchmod(file, 0600) == 0 && ::write(file, made_up.data(), made_up.size()) == size &&
        ::lseek(file, 0, SEEK_SET) == 0)
        return file;
    ::close(file);
    return -1;
}

std::optional<SiteConfig> load_site(const Topology& topology, NodeIndex node,
                                    std::vector<std::string>& problems) {
    const std::string& file = std::get<Site>(topology.nodes[node].kind).config;
    std::ifstream stream(file, std::ios::binary);
    if (!stream) {
        problems.push_back(
            fmt::format("{}: {}, the configuration of site {}: correct its `config` in {}, or write it", file,
                        std::strerror(errno), topology.nodes[node].name, topology.file));
        return std::nullopt;
    }
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    SiteConfig site{.node = node, .config = {}, .has_own_key = true, .made_keys = {}};
    auto parsed = config::parse(text, file, [&site](const std::string& path) {
        const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (opened >= 0 || (errno != ENOENT && errno != EACCES && errno != EPERM)) return opened;
        if (std::ranges::find(site.made_keys, path) == site.made_keys.end()) site.made_keys.push_back(path);
        return open_made_up();
    });
    if (!parsed) {
        std::ranges::move(parsed.error(), std::back_inserter(problems));
        return std::nullopt;
    }
    site.config = std::move(*parsed);
    return site;
}

// Its own key, if the file of that was not to be had.
void make_key(const Topology& topology, SiteConfig& site) {
    config::Node& node = site.config.node;
    if (!node.private_key || !is_made_up(*node.private_key)) return;
    site.has_own_key = false;
    SimulatedRandom random(topology.seed, topology.nodes[site.node].name, "private key");
    random.fill(node.private_key->writable());
    node.public_key = X25519{*node.private_key}.public_key();
}

void introduce(const Topology& topology, const std::vector<SiteConfig>& sites, config::Peer& peer) {
    if (peer.is_plain() || peer.manual) return;
    for (const SiteConfig& other : sites) {
        if (other.has_own_key) continue;
        if (peer.name == other.config.node.name || peer.name == topology.nodes[other.node].name)
            peer.public_key = other.config.node.public_key;
    }
}

// As hosts_file() names them.
std::optional<IpAddress> find_address(const Topology& topology, std::string_view name) {
    std::optional<IpAddress> found;
    for (const Link& link : topology.links) {
        for (const LinkEnd& end : link.ends) {
            if (end.addresses.empty()) continue;
            const std::string& node = topology.nodes[end.node].name;
            if (name == fmt::format("{}-{}", node, end.interface)) return end.addresses.front().address;
            if (name == node && !found) found = end.addresses.front().address;
        }
    }
    return found;
}

void locate(const Topology& topology, const SiteConfig& site, config::Peer& peer,
            std::vector<std::string>& problems) {
    if (!peer.endpoint_host || IpAddress::parse(*peer.endpoint_host)) return;
    if (const auto address = find_address(topology, *peer.endpoint_host)) {
        peer.endpoint_host = address->to_string();
        return;
    }
    problems.push_back(fmt::format(
        "{}: the endpoint of peer {} of site {} is {}, and no node of the lab has that name: a simulation "
        "asks no name server, so name the node like that",
        topology.file, peer.name, topology.nodes[site.node].name, *peer.endpoint_host));
}

}  // namespace

SiteConfigs load_sites(const Topology& topology) {
    SiteConfigs result;
    for (NodeIndex i = 0; i < topology.nodes.size(); ++i) {
        if (!std::holds_alternative<Site>(topology.nodes[i].kind)) continue;
        auto site = load_site(topology, i, result.problems);
        if (!site) continue;
        make_key(topology, *site);
        result.sites.push_back(std::move(*site));
    }
    for (SiteConfig& site : result.sites) {
        for (config::Peer& peer : site.config.peers) {
            introduce(topology, result.sites, peer);
            locate(topology, site, peer, result.problems);
        }
    }
    return result;
}

}  // namespace weft::lab
