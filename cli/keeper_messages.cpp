#include "cli/keeper_messages.h"

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace weft {

namespace {

using nlohmann::json;

json to_json(const std::vector<Prefix>& prefixes) {
    json list = json::array();
    for (const Prefix& prefix : prefixes) list.push_back(prefix.to_string());
    return list;
}

Prefix prefix(const json& value) {
    return Prefix::parse(value.get<std::string>()).value();
}

Descriptor take(std::vector<Descriptor>& descriptors, std::size_t& next) {
    return std::move(descriptors.at(next++));
}

}  // namespace

json to_json(const std::optional<std::string>& text) {
    return text ? json(*text) : json();
}

std::optional<std::string> optional_text(const json& value) {
    return value.is_null() ? std::nullopt : std::optional{value.get<std::string>()};
}

json to_json(const std::set<Prefix>& prefixes) {
    return to_json(std::vector(prefixes.begin(), prefixes.end()));
}

std::set<Prefix> prefixes(const json& list) {
    std::set<Prefix> read;
    for (const json& value : list) read.insert(prefix(value));
    return read;
}

json to_json(const std::optional<NatRules>& rules) {
    if (!rules) return {};
    return {{"node", rules->node}, {"sources", to_json(rules->sources)}, {"devices", rules->devices}};
}

std::optional<NatRules> nat_rules(const json& from) {
    if (from.is_null()) return std::nullopt;
    NatRules rules{.node = from.at("node"), .sources = {}, .devices = from.at("devices")};
    for (const json& value : from.at("sources")) rules.sources.push_back(prefix(value));
    return rules;
}

json to_json(const PortOrder& order) {
    const NewInterface& interface = order.interface;
    return {{"type", static_cast<int>(order.type)},
            {"name", interface.name},
            {"netns", to_json(interface.netns)},
            {"mtu", interface.mtu},
            {"mac", interface.mac ? json(interface.mac->to_string()) : json()},
            {"address", to_json(interface.addresses)},
            {"txqueuelen", interface.txqueuelen},
            {"queues", order.queues},
            {"host_end", order.host_end},
            {"tap", order.tap},
            {"alias", order.alias},
            {"patch_by_tc", order.patch_by_tc},
            {"keep", order.keep},
            {"merges", order.merges},
            {"no_fast_path", order.no_fast_path}};
}

PortOrder port_order(const json& from) {
    PortOrder order;
    order.type = static_cast<config::Port::Type>(from.at("type").get<int>());
    order.interface.name = from.at("name").get<std::string>();
    order.interface.netns = optional_text(from.at("netns"));
    order.interface.mtu = from.at("mtu").get<std::uint16_t>();
    if (!from.at("mac").is_null())
        order.interface.mac = MacAddress::parse(from.at("mac").get<std::string>()).value();
    for (const json& value : from.at("address")) order.interface.addresses.push_back(prefix(value));
    order.interface.txqueuelen = from.at("txqueuelen").get<std::uint32_t>();
    order.queues = from.at("queues").get<unsigned>();
    order.host_end = from.at("host_end").get<std::string>();
    order.tap = from.at("tap").get<std::string>();
    order.alias = from.at("alias").get<std::string>();
    order.patch_by_tc = from.at("patch_by_tc").get<bool>();
    order.keep = from.at("keep").get<bool>();
    order.merges = from.at("merges").get<bool>();
    order.no_fast_path = from.at("no_fast_path").get<std::string>();
    return order;
}

json to_json(const StandingPort& standing) {
    return {{"order", to_json(standing.order)},
            {"is_veth", standing.is_veth},
            {"has_hooks", standing.has_hooks},
            {"index", standing.index}};
}

StandingPort standing_port(const json& from) {
    return {.order = port_order(from.at("order")),
            .is_veth = from.at("is_veth").get<bool>(),
            .has_hooks = from.at("has_hooks").get<bool>(),
            .index = from.at("index").get<int>()};
}

json to_json(const MadePort& made, std::vector<int>& descriptors) {
    const auto add = [&](const Descriptor& descriptor) { descriptors.push_back(descriptor.get()); };
    for (const Descriptor& socket : made.sockets) add(socket);
    for (const Descriptor& queue : made.tuntap.queues) add(queue);
    if (!made.is_packet) add(made.tuntap.netlink);
    json answer{{"is_packet", made.is_packet},
                {"is_veth", made.is_veth},
                {"device", made.device},
                {"note", made.note},
                {"sockets", made.sockets.size()},
                {"is_tun", made.tuntap.layer == TunTapOptions::Layer::tun},
                {"tuntap", made.tuntap.name},
                {"offloads", made.tuntap.offloads},
                {"index", made.tuntap.index},
                {"queues", made.tuntap.queues.size()},
                {"hooks", json()}};
    if (!made.hooks) return answer;
    std::size_t links = 0;
    for (const Hook& hook : made.hooks->hooks) {
        if (hook.link() < 0) continue;
        descriptors.push_back(hook.link());
        ++links;
    }
    answer["hooks"] = {{"leads_elsewhere", made.hooks->leads_elsewhere},
                       {"merges", made.hooks->merges},
                       {"device", made.hooks->device},
                       {"patch", made.hooks->patch},
                       {"is_ethernet", made.hooks->link_layer == LinkLayer::ethernet},
                       {"why_no_flows", made.hooks->why_no_flows},
                       {"links", links}};
    return answer;
}

MadePort made_port(ChannelMessage message) {
    const json& from = message.body;
    std::size_t next = 0;
    MadePort made;
    made.is_packet = from.at("is_packet").get<bool>();
    made.is_veth = from.at("is_veth").get<bool>();
    made.device = from.at("device").get<std::string>();
    made.note = from.at("note").get<std::string>();
    for (auto left = from.at("sockets").get<std::size_t>(); left > 0; --left)
        made.sockets.push_back(take(message.descriptors, next));
    if (made.is_packet) return made;
    made.tuntap.layer = from.at("is_tun").get<bool>() ? TunTapOptions::Layer::tun : TunTapOptions::Layer::tap;
    made.tuntap.name = from.at("tuntap").get<std::string>();
    made.tuntap.offloads = from.at("offloads").get<unsigned>();
    made.tuntap.index = from.at("index").get<int>();
    for (auto left = from.at("queues").get<std::size_t>(); left > 0; --left)
        made.tuntap.queues.push_back(take(message.descriptors, next));
    made.tuntap.netlink = take(message.descriptors, next);
    const json& hooks = from.at("hooks");
    if (hooks.is_null()) return made;
    made.hooks =
        PortHooks{.is_veth = made.is_veth,
                  .leads_elsewhere = hooks.at("leads_elsewhere").get<bool>(),
                  .merges = hooks.at("merges").get<bool>(),
                  .device = hooks.at("device").get<unsigned>(),
                  .patch = hooks.at("patch").get<unsigned>(),
                  .link_layer = hooks.at("is_ethernet").get<bool>() ? LinkLayer::ethernet : LinkLayer::none,
                  .why_no_flows = hooks.at("why_no_flows").get<std::string>()};
    for (auto left = hooks.at("links").get<std::size_t>(); left > 0; --left)
        made.hooks->hooks.emplace_back(take(message.descriptors, next));
    return made;
}

}  // namespace weft
