#include "cni/result.h"

#include <limits>
#include <stdexcept>

#include <fmt/format.h>

namespace weft::cni {

using nlohmann::json;

namespace {

const json& member(const json& object, const char* name) {
    static const json absent;
    if (!object.is_object()) return absent;
    const auto found = object.find(name);
    return found == object.end() ? absent : *found;
}

// Null and absent are the same, as they are for the runtimes.
const json& list(const json& object, const char* name) {
    static const json empty = json::array();
    const auto& found = member(object, name);
    if (found.is_null()) return empty;
    if (!found.is_array()) throw std::invalid_argument(fmt::format("{} is no list: {}", name, found.dump()));
    return found;
}

template <class Value>
Value parsed(const json& text, const char* what) {
    const auto value = text.is_string() ? Value::parse(text.get_ref<const std::string&>()) : std::nullopt;
    if (!value) throw std::invalid_argument(fmt::format("{} is {}", what, text.dump()));
    return *value;
}

std::optional<IpAddress> optional_address(const json& object, const char* name) {
    const auto& text = member(object, name);
    if (text.is_null() || (text.is_string() && text.get_ref<const std::string&>().empty()))
        return std::nullopt;
    return parsed<IpAddress>(text, name);
}

template <class Number>
std::optional<Number> optional_number(const json& object, const char* name) {
    const auto& number = member(object, name);
    if (number.is_null()) return std::nullopt;
    if (!number.is_number_unsigned() || number.get<std::uint64_t>() > std::numeric_limits<Number>::max())
        throw std::invalid_argument(fmt::format("a route's {} is {}", name, number.dump()));
    return number.get<Number>();
}

Address parse_address(const json& entry) {
    const auto& text = member(entry, "address");
    Address address{parsed<Prefix>(text, "an address"), optional_address(entry, "gateway")};
    if (text.get_ref<const std::string&>().find('/') == std::string::npos)
        throw std::invalid_argument(fmt::format("an address is {}, without its length", text.dump()));
    if (address.gateway && address.gateway->is_v6() != address.address.address.is_v6()) {
        throw std::invalid_argument(fmt::format("{} has the gateway {}, of the other family",
                                                address.address.to_string(), address.gateway->to_string()));
    }
    return address;
}

json to_json(const Address& address, Version version, std::size_t interface) {
    json entry = {{"address", address.address.to_string()}, {"interface", interface}};
    if (address.gateway) entry["gateway"] = address.gateway->to_string();
    if (version < Version::v1_0_0) entry["version"] = address.address.address.is_v6() ? "6" : "4";
    return entry;
}

json to_json(const Route& route, Version version) {
    json entry = {{"dst", route.to.network().to_string()}};
    if (route.via) entry["gw"] = route.via->to_string();
    if (version < Version::v1_1_0) return entry;
    if (route.mtu != 0) entry["mtu"] = route.mtu;
    if (route.advertised_mss != 0) entry["advmss"] = route.advertised_mss;
    if (route.priority != 0) entry["priority"] = route.priority;
    if (route.table) entry["table"] = *route.table;
    if (route.scope) entry["scope"] = *route.scope;
    return entry;
}

}  // namespace

Route parse_route(const json& entry) {
    Route route{.to = parsed<Prefix>(member(entry, "dst"), "a route's dst"),
                .via = optional_address(entry, "gw"),
                .mtu = optional_number<std::uint32_t>(entry, "mtu").value_or(0),
                .advertised_mss = optional_number<std::uint32_t>(entry, "advmss").value_or(0),
                .priority = optional_number<std::uint32_t>(entry, "priority").value_or(0),
                .table = optional_number<std::uint32_t>(entry, "table"),
                .scope = optional_number<std::uint8_t>(entry, "scope")};
    if (route.via && route.via->is_v6() != route.to.address.is_v6()) {
        throw std::invalid_argument(fmt::format("the route to {} has the gateway {}, of the other family",
                                                route.to.to_string(), route.via->to_string()));
    }
    return route;
}

Allocation parse_allocation(const json& result) {
    Allocation allocation;
    for (const auto& entry : list(result, "ips")) allocation.addresses.push_back(parse_address(entry));
    for (const auto& entry : list(result, "routes")) allocation.routes.push_back(parse_route(entry));
    if (const auto& dns = member(result, "dns"); dns.is_object()) allocation.dns = dns;
    return allocation;
}

json to_result(const Attachment& attachment, Version version, const json& previous) {
    json result = {{"cniVersion", to_string(version)},
                   {"interfaces", list(previous, "interfaces")},
                   {"ips", list(previous, "ips")},
                   {"routes", list(previous, "routes")},
                   {"dns", json::object()}};
    if (const auto& host = attachment.host)
        result["interfaces"].push_back({{"name", host->name}, {"mac", host->mac}});
    const auto place = result["interfaces"].size();
    json interface = {{"name", attachment.ifname}, {"mac", attachment.mac}, {"sandbox", attachment.netns}};
    if (version >= Version::v1_1_0 && attachment.mtu != 0) interface["mtu"] = attachment.mtu;
    result["interfaces"].push_back(std::move(interface));
    for (const auto& address : attachment.network.addresses)
        result["ips"].push_back(to_json(address, version, place));
    for (const auto& route : attachment.network.routes) result["routes"].push_back(to_json(route, version));
    if (const auto& dns = member(previous, "dns"); dns.is_object()) result["dns"] = dns;
    if (!attachment.network.dns.empty()) result["dns"] = attachment.network.dns;
    return result;
}

std::optional<std::size_t> find_interface(const json& result, const std::string& name) {
    const auto& interfaces = list(result, "interfaces");
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        const auto& sandbox = member(interfaces[i], "sandbox");
        if (member(interfaces[i], "name") == name && sandbox.is_string() &&
            !sandbox.get_ref<const std::string&>().empty())
            return i;
    }
    return std::nullopt;
}

Attachment parse_attachment(const json& result, std::size_t interface) {
    const auto& entry = list(result, "interfaces").at(interface);
    json ours = {{"ips", json::array()}, {"routes", list(result, "routes")}};
    for (const auto& address : list(result, "ips")) {
        const auto& index = member(address, "interface");
        if (index.is_number_unsigned() && index == interface) ours["ips"].push_back(address);
    }
    const auto text = [&](const char* name) {
        const auto& value = member(entry, name);
        return value.is_string() ? value.get<std::string>() : std::string{};
    };
    const auto& mtu = member(entry, "mtu");
    return {.ifname = text("name"),
            .netns = text("sandbox"),
            .mac = text("mac"),
            .mtu = mtu.is_number_unsigned() ? mtu.get<unsigned>() : 0,
            .network = parse_allocation(ours)};
}

std::vector<Route> default_routes(const std::vector<Address>& addresses) {
    std::vector<Route> routes;
    for (const bool v6 : {false, true}) {
        for (const auto& [address, gateway] : addresses) {
            if (!gateway || gateway->is_v6() != v6) continue;
            routes.push_back({.to = {v6 ? IpAddress::v6({}) : IpAddress{}, 0}, .via = gateway});
            break;
        }
    }
    return routes;
}

}  // namespace weft::cni
