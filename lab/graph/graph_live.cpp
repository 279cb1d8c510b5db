#include "lab/graph/graph_live.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/human.h"
#include "config/read_impairment.h"

namespace weft::lab {

namespace {

using nlohmann::json;

constexpr std::array<const char*, 2> directions{"there", "back"};

Node node_of(const json& node) {
    Node made;
    made.name = node.at("name").get<std::string>();
    const auto kind = node.at("kind").get<std::string>();
    if (kind == "switch") made.kind = Switch{};
    if (kind == "router") made.kind = Router{};
    if (kind == "site") made.kind = Site{};
    if (kind == "interface") made.kind = RealInterface{};
    return made;
}

// Keys that only a file can have ("schedule") are not set: the picture has what is in force.
Impairment impairment_of(const json& wire) {
    Impairment impairment;
    for (const auto& [key, value] : wire.at("impair").items()) {
        // NOLINTNEXTLINE(bugprone-unused-return-value)
        (void)config::set_impairment(impairment, key,
                                     value.is_string() ? value.get<std::string>() : value.dump());
    }
    impairment.up = impairment.up && wire.at("up").get<bool>();
    return impairment;
}

NodeIndex index_of(const Topology& topology, const std::string& name) {
    const auto found = std::ranges::find(topology.nodes, name, &Node::name);
    if (found == topology.nodes.end()) throw json::out_of_range::create(403, "no node " + name, nullptr);
    return static_cast<NodeIndex>(found - topology.nodes.begin());
}

LinkEnd end_of(const Topology& topology, const json& end) {
    LinkEnd made;
    made.node = index_of(topology, end.at("node").get<std::string>());
    made.interface = end.at("interface").get<std::string>();
    for (const json& address : end.at("addresses")) {
        if (const auto prefix = Prefix::parse(address.get<std::string>())) made.addresses.push_back(*prefix);
    }
    return made;
}

std::uint64_t number(const json& wire, const char* key) {
    return wire.value(key, std::uint64_t{0});
}

std::uint64_t lost(const json& wire) {
    std::uint64_t all = 0;
    for (const char* key : {"lost", "cut", "too_big", "queue_full", "aqm_dropped"}) all += number(wire, key);
    return all;
}

// "1.2 Mbit/s, 3 % lost"; empty if nothing was sent.
std::string figure(const json& before, const json& now, double seconds) {
    const auto difference = [](std::uint64_t later, std::uint64_t earlier) {
        return static_cast<double>(later >= earlier ? later - earlier : later);
    };
    const double bytes = difference(number(now, "delivered_bytes"), number(before, "delivered_bytes"));
    const double offered = difference(number(now, "offered_packets"), number(before, "offered_packets"));
    const double gone = difference(lost(now), lost(before));
    if (bytes == 0 && gone == 0) return {};
    std::string text = human_bit_rate(static_cast<std::uint64_t>(bytes * 8 / seconds));
    if (gone > 0) text += fmt::format(", {:.2g} % lost", 100 * gone / std::max(offered, gone));
    return text;
}

}  // namespace

Topology topology_of(const json& status) {
    Topology topology;
    topology.name = status.at("lab").get<std::string>();
    for (const json& node : status.at("nodes")) topology.nodes.push_back(node_of(node));
    for (const json& link : status.at("links")) {
        Link made;
        made.name = link.at("name").get<std::string>();
        for (std::size_t i = 0; i < 2; ++i) {
            made.ends[i] = end_of(topology, link.at("ends").at(i));
            made.impairment[i] = impairment_of(link.at(directions[i]));
        }
        topology.links.push_back(std::move(made));
    }
    return topology;
}

LinkFigures figures_of(const json& before, const json& now) {
    const double seconds =
        std::max(now.at("uptime_s").get<double>() - before.at("uptime_s").get<double>(), 0.001);
    LinkFigures figures;
    const json& links = now.at("links");
    const json& earlier = before.at("links");
    for (std::size_t i = 0; i < links.size() && i < earlier.size(); ++i) {
        std::string text;
        constexpr std::array<std::string_view, 2> arrows{"\u2192 ", "\u2190 "};
        for (std::size_t d = 0; d < 2; ++d) {
            const auto one = figure(earlier[i].at(directions[d]), links[i].at(directions[d]), seconds);
            if (!one.empty()) text += fmt::format("{}{}{}", text.empty() ? "" : "  ", arrows[d], one);
        }
        if (!text.empty()) figures.emplace(static_cast<LinkIndex>(i), std::move(text));
    }
    return figures;
}

}  // namespace weft::lab
