#include "lab/simulation/simulation_report.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/human.h"
#include "cli/table.h"

namespace weft::lab {

namespace {

using nlohmann::json;

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

std::string_view to_string(Traffic::Kind kind) {
    switch (kind) {
        case Traffic::Kind::ping:
            return "ping";
        case Traffic::Kind::constant:
            return "constant";
        case Traffic::Kind::poisson:
            return "poisson";
        case Traffic::Kind::tcp:
            return "tcp";
        case Traffic::Kind::replay:
            return "replay";
    }
    return "";
}

// How long it was sending, as far as the simulation went.
Duration sending_time(const Traffic& traffic, const SimulationResult& result) {
    const Duration stop = std::min(traffic.stop.value_or(result.length), result.length);
    return std::max(stop - traffic.start, Duration{0});
}

std::uint64_t received_rate(const Traffic& traffic, const TrafficResult& counted,
                            const SimulationResult& result) {
    const double time = seconds(sending_time(traffic, result));
    return time > 0 ? static_cast<std::uint64_t>(static_cast<double>(counted.received_bytes) * 8 / time) : 0;
}

// A ping comes back, and of tcp the acknowledgment does.
bool is_round_trip(Traffic::Kind kind) {
    return kind == Traffic::Kind::ping || kind == Traffic::Kind::tcp;
}

json report_delays(const DelayStatistics& delays) {
    return {{"count", delays.count()},
            {"min_s", seconds(delays.least())},
            {"mean_s", seconds(delays.mean())},
            {"deviation_s", seconds(delays.deviation())},
            {"p50_s", seconds(delays.quantile(0.5))},
            {"p99_s", seconds(delays.quantile(0.99))},
            {"max_s", seconds(delays.greatest())}};
}

json report_traffic(const Topology& topology, const Traffic& traffic, const TrafficResult& counted,
                    const SimulationResult& result) {
    json report{{"name", traffic.name},
                {"kind", to_string(traffic.kind)},
                {"from", topology.nodes[traffic.from].name},
                {"to", topology.nodes[traffic.to].name},
                {"sent_packets", counted.sent_packets},
                {"sent_bytes", counted.sent_bytes},
                {"received_packets", counted.received_packets},
                {"received_bytes", counted.received_bytes},
                {"received_bits_per_second", received_rate(traffic, counted, result)},
                {"missing_packets", counted.missing()},
                {"reordered_packets", counted.reordered},
                {"duplicate_packets", counted.duplicates},
                {"unsent_packets", counted.unsent}};
    if (traffic.kind != Traffic::Kind::replay)
        report[is_round_trip(traffic.kind) ? "round_trip" : "delay"] = report_delays(counted.delays);
    if (traffic.kind == Traffic::Kind::tcp) {
        report["retransmitted_packets"] = counted.retransmitted;
        report["recoveries"] = counted.recoveries;
        report["timeouts"] = counted.timeouts;
    }
    return report;
}

json report_wire(const WireCounters& wire) {
    return {{"offered_packets", wire.offered_packets},
            {"offered_bytes", wire.offered_bytes},
            {"delivered_packets", wire.delivered_packets},
            {"delivered_bytes", wire.delivered_bytes},
            {"lost_packets", wire.lost},
            {"cut_packets", wire.cut},
            {"too_big_packets", wire.too_big},
            {"queue_full_packets", wire.queue_full},
            {"aqm_dropped_packets", wire.aqm_dropped},
            {"aqm_marked_packets", wire.aqm_marked},
            {"corrupted_packets", wire.corrupted},
            {"duplicated_packets", wire.duplicated},
            {"reordered_packets", wire.reordered}};
}

std::string milliseconds(Duration duration) {
    return fmt::format("{:.3f} ms", seconds(duration) * 1000);
}

std::string count_or_dash(std::uint64_t count) {
    return count == 0 ? std::string{} : std::to_string(count);
}

Table traffic_table(const Topology& topology, const SimulationResult& result) {
    using enum Table::Align;
    Table table({{"TRAFFIC"},
                 {"KIND"},
                 {"FROM"},
                 {"TO"},
                 {"SENT", right},
                 {"RECEIVED", right},
                 {"MISSING", right},
                 {"RATE", right},
                 {"DELAY MEAN", right},
                 {"P99", right},
                 {"MAX", right},
                 {"AGAIN", right}});
    for (std::size_t i = 0; i < result.traffic.size(); ++i) {
        const Traffic& traffic = topology.traffic[i];
        const TrafficResult& counted = result.traffic[i];
        const DelayStatistics& delays = counted.delays;
        const bool measured = delays.count() > 0;
        const auto shown = [&](Duration delay) { return measured ? milliseconds(delay) : std::string{}; };
        table.add({traffic.name,
                   std::string{to_string(traffic.kind)},
                   topology.nodes[traffic.from].name,
                   topology.nodes[traffic.to].name,
                   std::to_string(counted.sent_packets),
                   std::to_string(counted.received_packets),
                   {count_or_dash(counted.missing()),
                    counted.missing() > 0 ? Table::Tone::doubtful : Table::Tone::plain},
                   human_bit_rate(received_rate(traffic, counted, result)),
                   shown(delays.mean()),
                   shown(delays.quantile(0.99)),
                   shown(delays.greatest()),
                   count_or_dash(counted.retransmitted)});
    }
    return table;
}

Table link_table(const Topology& topology, const SimulationResult& result) {
    using enum Table::Align;
    Table table({{"LINK"},
                 {"FROM"},
                 {"TO"},
                 {"PACKETS", right},
                 {"BYTES", right},
                 {"RATE", right},
                 {"LOST", right},
                 {"QUEUE", right},
                 {"CUT", right},
                 {"OTHER", right}});
    for (std::size_t i = 0; i < result.links.size(); ++i) {
        const Link& link = topology.links[i];
        for (std::size_t from = 0; from < 2; ++from) {
            const WireCounters& wire = result.links[i][from];
            const double time = std::max(seconds(result.length), 1e-9);
            const auto rate =
                static_cast<std::uint64_t>(static_cast<double>(wire.delivered_bytes) * 8 / time);
            table.add({link.name, topology.nodes[link.ends[from].node].name,
                       topology.nodes[link.ends[1 - from].node].name, std::to_string(wire.delivered_packets),
                       human_bytes(wire.delivered_bytes), human_bit_rate(rate), count_or_dash(wire.lost),
                       count_or_dash(wire.queue_full + wire.aqm_dropped), count_or_dash(wire.cut),
                       count_or_dash(wire.too_big + wire.corrupted + wire.duplicated + wire.reordered)});
        }
    }
    return table;
}

Table peer_table(const Topology& topology, const SimulationResult& result) {
    using enum Table::Align;
    Table table({{"SITE"},
                 {"PEER"},
                 {"HANDSHAKES", right},
                 {"SENT", right},
                 {"RECEIVED", right},
                 {"DROPPED", right}});
    for (const auto& [site, peer] : result.peers) {
        table.add({topology.nodes[site].name, peer.name, std::to_string(peer.handshakes),
                   std::to_string(peer.sent_packets), std::to_string(peer.received_packets),
                   count_or_dash(peer.dropped_packets)});
    }
    return table;
}

json report_peers(const Topology& topology, const SimulationResult& result) {
    json peers = json::array();
    for (const auto& [site, peer] : result.peers) {
        peers.push_back({{"site", topology.nodes[site].name},
                         {"peer", peer.name},
                         {"handshakes", peer.handshakes},
                         {"sent_packets", peer.sent_packets},
                         {"received_packets", peer.received_packets},
                         {"dropped_packets", peer.dropped_packets}});
    }
    return peers;
}

}  // namespace

json report_simulation(const Topology& topology, const SimulationResult& result) {
    json traffic = json::array();
    for (std::size_t i = 0; i < result.traffic.size(); ++i)
        traffic.push_back(report_traffic(topology, topology.traffic[i], result.traffic[i], result));
    json links = json::array();
    for (std::size_t i = 0; i < result.links.size(); ++i) {
        const Link& link = topology.links[i];
        links.push_back({{"name", link.name},
                         {"from", topology.nodes[link.ends[0].node].name},
                         {"to", topology.nodes[link.ends[1].node].name},
                         {"there", report_wire(result.links[i][0])},
                         {"back", report_wire(result.links[i][1])}});
    }
    return {{"lab", topology.name},
            {"seed", topology.seed},
            {"length_s", seconds(result.length)},
            {"delivered_packets", result.delivered_packets},
            {"looped_packets", result.looped},
            {"unresolved_packets", result.unresolved},
            {"traffic", std::move(traffic)},
            {"links", std::move(links)},
            {"peers", report_peers(topology, result)},
            {"notes", result.notes}};
}

std::string render_simulation(const Topology& topology, const SimulationResult& result, bool color) {
    std::string text =
        fmt::format("{}: {} of virtual time, seed {}, {} packets carried by links\n", topology.name,
                    human_duration(seconds(result.length)), topology.seed, result.delivered_packets);
    if (result.looped > 0)
        text += fmt::format("{} packets went round in a loop of links and were dropped\n", result.looped);
    if (result.unresolved > 0)
        text += fmt::format("{} packets were for neighbors that did not answer\n", result.unresolved);
    for (const std::string& note : result.notes) text += note + "\n";
    if (!result.traffic.empty()) text += "\n" + traffic_table(topology, result).to_string(color);
    if (!result.links.empty()) text += "\n" + link_table(topology, result).to_string(color);
    if (!result.peers.empty()) text += "\n" + peer_table(topology, result).to_string(color);
    return text;
}

}  // namespace weft::lab
