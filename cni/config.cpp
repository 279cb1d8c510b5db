#include "cni/config.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "cni/error.h"

namespace weft::cni {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 19> known{
    "cniVersion", "cniVersions", "name",    "type",    "args",         "capabilities", "runtimeConfig",
    "prevResult", "dns",         "ipam",    "ipMasq",  "bridge",       "mtu",          "vlan",
    "isolated",   "spoofCheck",  "control", "dataDir", "hostInterface"};

constexpr std::array<std::string_view, 3> known_of_own_ipam{"type", "pool", "routes"};

// Takes what is asked for from an object, and keeps what it does not like.
class Reader {
  public:
    Reader(const json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

    template <class Value, class Fits>
    void take(const char* key, std::optional<Value>& into, const char* wanted, Fits&& fits) {
        const auto found = object_.find(key);
        if (found == object_.end() || found->is_null()) return;
        if (fits(*found)) {
            into = found->template get<Value>();
        } else {
            refuse(key, *found, wanted);
        }
    }

    void take_text(const char* key, std::string& into, const char* wanted) {
        std::optional<std::string> text;
        take(key, text, wanted, [](const json& value) {
            return value.is_string() && !value.get_ref<const std::string&>().empty();
        });
        if (text) into = *text;
    }

    void take_path(const char* key, std::string& into) {
        std::optional<std::string> path;
        take(key, path, "an absolute path", [](const json& value) {
            return value.is_string() && value.get_ref<const std::string&>().starts_with('/');
        });
        if (path) into = *path;
    }

    void take_number(const char* key, std::optional<std::uint16_t>& into, unsigned least, unsigned most) {
        const auto wanted = fmt::format("a number from {} to {}", least, most);
        take(key, into, wanted.c_str(), [&](const json& value) {
            return value.is_number_unsigned() && value.get<std::uint64_t>() >= least &&
                   value.get<std::uint64_t>() <= most;
        });
    }

    void take_flag(const char* key, std::optional<bool>& into) {
        take(key, into, "true or false", [](const json& value) { return value.is_boolean(); });
    }

    void refuse(const char* key, const json& value, std::string_view wanted) {
        wrong_.push_back(fmt::format("{}{} is {}: it must be {}", prefix_, key, value.dump(), wanted));
    }

    void complain(std::string complaint) { wrong_.push_back(prefix_ + std::move(complaint)); }

    template <class Keys>
    void refuse_unknown(const Keys& keys) {
        for (const auto& [key, value] : object_.items()) {
            if (std::ranges::find(keys, key) != keys.end() || key.starts_with("cni.dev/")) continue;
            unsupported_.push_back(fmt::format("{}{}: {}", prefix_, key, value.dump()));
        }
    }

    void add(const Reader& part) {
        wrong_.insert(wrong_.end(), part.wrong_.begin(), part.wrong_.end());
        unsupported_.insert(unsupported_.end(), part.unsupported_.begin(), part.unsupported_.end());
    }

    void refuse_unsupported(const char* key, const json& value) {
        unsupported_.push_back(fmt::format("{}{}: {}", prefix_, key, value.dump()));
    }

    void finish() const {
        if (!wrong_.empty()) {
            auto details = fmt::format("{}", fmt::join(wrong_, "; "));
            if (!unsupported_.empty())
                details += fmt::format("; not supported: {}", fmt::join(unsupported_, ", "));
            throw Error(Code::invalid_configuration, "the network configuration is not valid", details);
        }
        if (!unsupported_.empty()) {
            throw Error(
                Code::unsupported_field,
                fmt::format("not supported in the network configuration: {}", fmt::join(unsupported_, ", ")),
                "weft's keys are in docs/containers.md; masquerading is a bridge's in weftd's configuration");
        }
    }

  private:
    const json& object_;
    std::string prefix_;
    std::vector<std::string> wrong_;
    std::vector<std::string> unsupported_;
};

bool is_list_of_text(const json& value) {
    return value.is_array() &&
           std::ranges::all_of(value, [](const json& entry) { return entry.is_string(); });
}

void read_dns(Reader& reader, const json& configuration, json& into) {
    const auto found = configuration.find("dns");
    if (found == configuration.end() || found->is_null()) return;
    const auto& dns = *found;
    const bool sound =
        dns.is_object() && std::ranges::all_of(dns.items(), [](const auto& item) {
            return item.key() == "domain" ? item.value().is_string() : is_list_of_text(item.value());
        });
    if (sound) {
        into = dns;
    } else {
        reader.refuse("dns", dns, "an object with lists 'nameservers', 'search', 'options' and a 'domain'");
    }
}

void read_routes(Reader& reader, const json& ipam, NetworkConfig::Ipam& into) {
    const auto found = ipam.find("routes");
    if (found == ipam.end() || found->is_null()) return;
    into.names_routes = true;
    if (!into.plugin.empty()) return;  // they are the plugin's to read
    if (!found->is_array()) return reader.refuse("routes", *found, "a list");
    for (const auto& route : *found) {
        try {
            into.routes.push_back(parse_route(route));
        } catch (const std::invalid_argument& mistake) {
            reader.complain(fmt::format("routes: {}", mistake.what()));
        }
    }
}

void read_ipam(Reader& reader, const json& configuration, NetworkConfig::Ipam& into) {
    const auto found = configuration.find("ipam");
    if (found == configuration.end() || found->is_null()) return;
    if (!found->is_object()) return reader.refuse("ipam", *found, "an object");
    Reader part{*found, "ipam."};
    part.take_text("type", into.plugin, "the name of a plugin");
    if (into.plugin.find('/') != std::string::npos) part.refuse("type", into.plugin, "a name and not a path");
    if (into.plugin == "weft") into.plugin.clear();
    if (into.plugin.empty()) {
        part.take_text("pool", into.pool, "the name of a bridge");
        part.refuse_unknown(known_of_own_ipam);
    }
    read_routes(part, *found, into);
    reader.add(part);
}

}  // namespace

NetworkConfig read_config(const Request& request) {
    const auto& configuration = request.configuration;
    NetworkConfig config;
    Reader reader{configuration, ""};
    reader.take_text("bridge", config.bridge, "the name of a bridge of weftd");
    if (config.bridge.empty() && !configuration.contains("bridge"))
        reader.complain("bridge is missing: the bridge of weftd that containers are put on");
    reader.take_path("control", config.control);
    reader.take_path("dataDir", config.data_folder);
    reader.take_text("hostInterface", config.host_interface, "the name of an interface of the host");
    reader.take_number("mtu", config.mtu, 576, 65535);
    reader.take_number("vlan", config.vlan, 1, 4094);
    reader.take_flag("isolated", config.isolated);
    std::optional<bool> spoof_check;
    reader.take_flag("spoofCheck", spoof_check);
    read_dns(reader, configuration, config.dns);
    read_ipam(reader, configuration, config.ipam);
    if (config.ipam.pool.empty()) config.ipam.pool = config.bridge;
    const bool is_dhcp = config.ipam.plugin == "dhcp";
    if (is_dhcp && spoof_check == true) {
        reader.complain(
            "spoofCheck is true: it must be false with ipam.type dhcp, of whose addresses weftd is not told");
    }
    config.spoof_check = spoof_check.value_or(!is_dhcp);
    if (const auto masquerade = configuration.find("ipMasq");
        masquerade != configuration.end() && *masquerade != false) {
        reader.refuse_unsupported("ipMasq", *masquerade);
    }
    reader.refuse_unknown(known);
    reader.finish();
    return config;
}

NetworkConfig read_config_for_removal(const Request& request) {
    NetworkConfig config;
    Reader reader{request.configuration, ""};
    reader.take_text("bridge", config.bridge, "");
    reader.take_path("control", config.control);
    reader.take_path("dataDir", config.data_folder);
    read_ipam(reader, request.configuration, config.ipam);
    if (config.ipam.pool.empty()) config.ipam.pool = config.bridge;
    return config;
}

}  // namespace weft::cni
