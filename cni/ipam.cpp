#include "cni/ipam.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "cni/delegate.h"
#include "cni/error.h"
#include "cni/port_name.h"

namespace weft::cni {

using nlohmann::json;

namespace {

// The gateway that is in the address's own subnet goes before another one of its family.
std::optional<IpAddress> gateway_for(const Prefix& address, const std::vector<IpAddress>& gateways) {
    const auto inside =
        std::ranges::find_if(gateways, [&](const IpAddress& gateway) { return address.contains(gateway); });
    if (inside != gateways.end()) return *inside;
    const auto related = std::ranges::find(gateways, address.address.is_v6(), &IpAddress::is_v6);
    return related != gateways.end() ? std::optional{*related} : std::nullopt;
}

template <class Value>
std::vector<Value> parse_all(const json& answer, const char* name) {
    std::vector<Value> values;
    for (const auto& text : answer.is_object() ? answer.value(name, json::array()) : json::array()) {
        const auto value = text.is_string() ? Value::parse(text.get_ref<const std::string&>()) : std::nullopt;
        if (!value) {
            throw Error(Code::daemon_refused,
                        fmt::format("the daemon's answer to ipam_allocate has the {} {}", name, text.dump()));
        }
        values.push_back(*value);
    }
    return values;
}

// Where a route says no gateway, it is that of the first address of its family; without one, `to` is on the
// link.
void complete_routes(Allocation& allocation, bool names_routes) {
    const auto defaults = default_routes(allocation.addresses);
    if (allocation.routes.empty() && !names_routes) allocation.routes = defaults;
    for (auto& route : allocation.routes) {
        if (route.via) continue;
        const auto related = std::ranges::find_if(defaults, [&](const Route& candidate) {
            return candidate.to.address.is_v6() == route.to.address.is_v6();
        });
        // 253 is RT_SCOPE_LINK: a gateway would contradict it.
        if (related != defaults.end() && route.scope != 253) route.via = related->via;
    }
}

class OwnIpam final : public Ipam {
  public:
    OwnIpam(const Request& request, const NetworkConfig& config, Daemon& daemon)
        : request_(request), config_(config), daemon_(daemon) {}

    Allocation allocate(const Wishes& wishes) override {
        json wanted = {{"pool", config_.ipam.pool}, {"owner", lease_owner(request_)}};
        for (const auto& address : wishes.addresses) wanted["address"].push_back(address.to_string());
        const auto answer = daemon_.allocate(wanted);
        const auto gateways = parse_all<IpAddress>(answer, "gateway");
        Allocation allocation;
        for (const auto& address : parse_all<Prefix>(answer, "address"))
            allocation.addresses.push_back({address, gateway_for(address, gateways)});
        allocation.routes = config_.ipam.routes;
        complete_routes(allocation, config_.ipam.names_routes);
        return allocation;
    }

    void release() override { daemon_.release(lease_owner(request_)); }

    void check() override {
        const auto owner = lease_owner(request_);
        for (const auto& pool : daemon_.pools()) {
            for (const auto& lease : pool.value("leases", json::array()))
                if (lease.value("owner", json{}) == owner) return;
        }
        throw Error(Code::not_as_expected, fmt::format("weftd has no lease of {}", owner));
    }

    void collect(const std::vector<Key>& valid, const std::vector<Key>& removed) override {
        std::vector<std::string> stale;
        for (const auto& [container, ifname] : removed)
            stale.push_back(lease_owner(request_.network, container, ifname));
        for (const auto& pool : daemon_.pools()) {
            for (const auto& lease : pool.value("leases", json::array())) {
                const auto owner = lease.value("owner", json{});
                if (owner.is_string() && is_stale(owner.get<std::string>(), valid))
                    stale.push_back(owner.get<std::string>());
            }
        }
        for (const auto& owner : stale) daemon_.release(owner);
    }

    // An allocation takes an address of each network of the pool that has any.
    void probe() override {
        bool has_pool = false;
        for (const auto& network : daemon_.pools()) {
            if (network.value("pool", json{}) != config_.ipam.pool || network.value("size", json{}) == 0)
                continue;
            has_pool = true;
            if (network.at("used") >= network.at("size")) {
                throw Error(Code::not_available, fmt::format("the pool {} has no address left in {}",
                                                             config_.ipam.pool, network.value("prefix", "")));
            }
        }
        if (has_pool) return;
        throw Error(has_containers() ? Code::limited : Code::not_available,
                    fmt::format("weftd has no addresses to give on the bridge {}", config_.ipam.pool),
                    "a pool is the prefixes of a bridge's gateway");
    }

  private:
    // They have lost their gateway with the pool.
    [[nodiscard]] bool has_containers() {
        return std::ranges::any_of(daemon_.ports(), [&](const json& port) {
            const auto labels = port.value("labels", json::object());
            return labels.value("cni.network", json{}) == request_.network;
        });
    }

    [[nodiscard]] bool is_stale(std::string_view owner, const std::vector<Key>& valid) const {
        if (!owner.starts_with(request_.network + '/')) return false;
        return std::ranges::none_of(valid, [&](const Key& key) {
            return owner == lease_owner(request_.network, key.first, key.second);
        });
    }

    const Request& request_;
    const NetworkConfig& config_;
    Daemon& daemon_;
};

class DelegatedIpam final : public Ipam {
  public:
    DelegatedIpam(const Request& request, const NetworkConfig& config)
        : request_(request), config_(config), plugin_(config.ipam.plugin, request.path) {}

    Allocation allocate(const Wishes& /*wishes: it sees what we see*/) override {
        const auto answer = plugin_.run(request_.text);
        try {
            auto allocation = parse_allocation(answer);
            complete_routes(allocation, config_.ipam.names_routes);
            return allocation;
        } catch (const std::invalid_argument& mistake) {
            throw Error(Code::ipam_nonsense,
                        fmt::format("IPAM plugin {}: {}", config_.ipam.plugin, mistake.what()));
        }
    }

    void release() override { plugin_.run(request_.text, {"CNI_COMMAND=DEL"}); }

    void check() override { plugin_.run(request_.text); }

    // One that does not know GC is asked to delete what had a port.
    void collect(const std::vector<Key>& /*valid: it is in the configuration*/,
                 const std::vector<Key>& removed) override {
        if (plugin_.speaks(request_.version)) {
            plugin_.run(request_.text);
            return;
        }
        auto configuration = request_.configuration;
        configuration["cniVersion"] = to_string(Version::v0_4_0);
        for (const auto& [container, ifname] : removed) {
            plugin_.run(configuration.dump(), {"CNI_COMMAND=DEL", "CNI_CONTAINERID=" + container,
                                               "CNI_IFNAME=" + ifname, "CNI_NETNS="});
        }
    }

    void probe() override {
        if (plugin_.speaks(request_.version)) plugin_.run(request_.text);
    }

    [[nodiscard]] bool needs_interface() const override { return config_.ipam.plugin == "dhcp"; }

  private:
    const Request& request_;
    const NetworkConfig& config_;
    Delegate plugin_;
};

}  // namespace

std::unique_ptr<Ipam> make_ipam(const Request& request, const NetworkConfig& config, Daemon& daemon) {
    if (config.ipam.plugin.empty()) return std::make_unique<OwnIpam>(request, config, daemon);
    return std::make_unique<DelegatedIpam>(request, config);
}

}  // namespace weft::cni
