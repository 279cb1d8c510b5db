#include "lab/status_view.h"

#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/human.h"
#include "cli/table.h"

namespace weft::lab {

using nlohmann::json;

namespace {

using Tone = Table::Tone;

std::string nodes_table(const json& report, bool color) {
    Table table({{"NODE"}, {"KIND"}, {"INTERFACE"}, {"ADDRESSES"}, {"LINK"}});
    for (const json& node : report.at("nodes")) {
        const auto name = node.at("name").get<std::string>();
        const auto kind = node.at("kind").get<std::string>();
        if (node.at("interfaces").empty())
            table.add({name, kind, std::string{}, std::string{}, std::string{}});
        for (const json& interface : node.at("interfaces")) {
            table.add(
                {name, kind, interface.at("interface").get<std::string>(),
                 fmt::format("{}", fmt::join(interface.at("addresses").get<std::vector<std::string>>(), " ")),
                 interface.at("link").get<std::string>()});
        }
    }
    return table.to_string(color);
}

std::string state_text(const json& wire) {
    return wire.at("up").get<bool>() ? "up" : "down";
}

void add_wire(Table& table, const json& link, const char* direction) {
    const json& wire = link.at(direction);
    const bool there = std::string_view{direction} == "there";
    const auto end = [&](std::size_t which) {
        return link.at("ends").at(which).at("node").get<std::string>();
    };
    const auto lost = lost_packets(wire);
    table.add({link.at("name").get<std::string>(),
               fmt::format("{} -> {}", end(there ? 0 : 1), end(there ? 1 : 0)),
               {state_text(wire), wire.at("up").get<bool>() ? Tone::good : Tone::bad},
               std::to_string(wire.at("delivered_packets").get<std::uint64_t>()),
               human_bytes(wire.at("delivered_bytes").get<std::uint64_t>()),
               {std::to_string(lost), lost == 0 ? Tone::plain : Tone::doubtful},
               std::to_string(wire.at("queued_packets").get<std::uint64_t>()),
               impairment_text(wire)});
}

}  // namespace

std::string impairment_text(const json& wire) {
    const auto text = wire.value("impairment", std::string{});
    return text == "none" ? "" : text;
}

std::uint64_t lost_packets(const json& wire) {
    std::uint64_t sum = 0;
    for (const auto* key : {"lost", "cut", "too_big", "queue_full", "aqm_dropped"})
        sum += wire.value(key, std::uint64_t{0});
    return sum;
}

std::string render_status(const json& report, bool color) {
    std::string text = fmt::format("lab {} ({}), up for {}\n\n", report.at("lab").get<std::string>(),
                                   report.at("file").get<std::string>(),
                                   human_duration(report.at("uptime_s").get<double>()));
    for (const json& warning : report.at("warnings"))
        text += fmt::format("warning: {}\n", warning.get<std::string>());
    text += nodes_table(report, color) + "\n";
    Table links({{"LINK"},
                 {"DIRECTION"},
                 {"STATE"},
                 {"PACKETS", Table::Align::right},
                 {"BYTES", Table::Align::right},
                 {"LOST", Table::Align::right},
                 {"QUEUED", Table::Align::right},
                 {"IMPAIRMENT"}});
    for (const json& link : report.at("links")) {
        add_wire(links, link, "there");
        add_wire(links, link, "back");
    }
    return text + links.to_string(color);
}

}  // namespace weft::lab
