#include "cni/arguments.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "cni/error.h"

namespace weft::cni {

using nlohmann::json;

namespace {

[[noreturn]] void refuse(Code code, std::string_view where, std::string_view value, std::string_view wanted) {
    throw Error(code, fmt::format("{} is '{}': it must be {}", where, value, wanted));
}

IpAddress address_of(std::string_view text, Code code, std::string_view where) {
    const auto address = IpAddress::parse(text.substr(0, text.find('/')));
    if (!address || !Prefix::parse(text)) refuse(code, where, text, "an IP address");
    return *address;
}

MacAddress mac_of(std::string_view text, Code code, std::string_view where) {
    const auto mac = MacAddress::parse(text);
    if (!mac || mac->is_group() || mac->is_zero())
        refuse(code, where, text, "the MAC address of a single station");
    return *mac;
}

const json& part(const json& object, const char* name) {
    static const json absent;
    const auto found = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && found != object.end() ? *found : absent;
}

// {"ips": [..], "mac": ".."}
Wishes wishes_in(const json& object, std::string_view where) {
    Wishes wishes;
    const auto code = Code::invalid_configuration;
    if (const auto& ips = part(object, "ips"); !ips.is_null()) {
        const auto ips_where = fmt::format("{}.ips", where);
        if (!ips.is_array()) refuse(code, ips_where, ips.dump(), "a list");
        for (const auto& ip : ips) {
            if (!ip.is_string()) refuse(code, ips_where, ip.dump(), "a list of IP addresses");
            wishes.addresses.push_back(address_of(ip.get_ref<const std::string&>(), code, ips_where));
        }
    }
    if (const auto& mac = part(object, "mac");
        mac.is_string() && !mac.get_ref<const std::string&>().empty()) {
        wishes.mac = mac_of(mac.get_ref<const std::string&>(), code, fmt::format("{}.mac", where));
    } else if (!mac.is_null() && !mac.is_string()) {
        refuse(code, fmt::format("{}.mac", where), mac.dump(), "the MAC address of a single station");
    }
    return wishes;
}

// Their form is a convention only, and what does not keep to it no reason to refuse a container.
void take_labels(const json& labels, Labels& into) {
    if (!labels.is_array()) return;
    for (const auto& label : labels) {
        const auto& key = part(label, "key");
        const auto& value = part(label, "value");
        if (key.is_string() && value.is_string() && !key.get_ref<const std::string&>().starts_with("cni."))
            into[key.get<std::string>()] = value.get<std::string>();
    }
}

std::vector<std::pair<std::string, std::string>> variables_of(std::string_view arguments) {
    std::vector<std::pair<std::string, std::string>> variables;
    while (!arguments.empty()) {
        const auto end = std::min(arguments.find(';'), arguments.size());
        const auto variable = arguments.substr(0, end);
        arguments.remove_prefix(std::min(end + 1, arguments.size()));
        if (variable.empty()) continue;
        const auto middle = variable.find('=');
        if (middle == std::string_view::npos || middle == 0)
            refuse(Code::invalid_environment, "a part of CNI_ARGS", variable, "NAME=VALUE");
        variables.emplace_back(variable.substr(0, middle), variable.substr(middle + 1));
    }
    return variables;
}

bool is_true(std::string_view text) {
    return text == "1" || text == "true" || text == "True" || text == "TRUE" || text == "t" || text == "T";
}

Wishes wishes_in_variables(std::string_view arguments) {
    constexpr auto code = Code::invalid_environment;
    Wishes wishes;
    std::vector<std::string> unknown;
    bool ignore_unknown = false;
    for (const auto& [name, value] : variables_of(arguments)) {
        if (name == "IgnoreUnknown") {
            ignore_unknown = is_true(value);
        } else if (name == "IP") {
            if (!value.empty()) wishes.addresses.push_back(address_of(value, code, "IP in CNI_ARGS"));
        } else if (name == "MAC") {
            if (!value.empty()) wishes.mac = mac_of(value, code, "MAC in CNI_ARGS");
        } else if (name.starts_with("K8S_")) {
            wishes.labels[name] = value;
        } else {
            unknown.push_back(name);
        }
    }
    if (!unknown.empty() && !ignore_unknown) {
        throw Error(code, fmt::format("CNI_ARGS has {}, which weft does not know", fmt::join(unknown, ", ")),
                    "with IgnoreUnknown=1 it is ignored");
    }
    return wishes;
}

}  // namespace

Wishes read_wishes(const Request& request) {
    const auto& args = part(part(request.configuration, "args"), "cni");
    const auto runtime = wishes_in(part(request.configuration, "runtimeConfig"), "runtimeConfig");
    const auto configured = wishes_in(args, "args.cni");
    auto wishes = wishes_in_variables(request.arguments);
    for (const auto* stronger : {&configured, &runtime}) {
        if (!stronger->addresses.empty()) wishes.addresses = stronger->addresses;
        if (stronger->mac) wishes.mac = stronger->mac;
    }
    take_labels(part(args, "labels"), wishes.labels);
    wishes.labels.merge(identity(request));
    return wishes;
}

Labels identity(const Request& request) {
    return {{"cni.network", request.network},
            {"cni.container", request.container},
            {"cni.ifname", request.ifname}};
}

}  // namespace weft::cni
