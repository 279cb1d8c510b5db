#include "lab/simulation/simulation.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lab/agenda.h"
#include "lab/apply_action.h"
#include "lab/events.h"
#include "lab/network.h"
#include "lab/simulation/simulated_site.h"
#include "lab/simulation/simulation_check.h"
#include "lab/simulation/site_config.h"
#include "lab/simulation/tcp_traffic.h"
#include "lab/switch_loop.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr Instant begin{1000s};
constexpr auto epoch = static_cast<std::uint64_t>(Duration{simulated_epoch}.count());
constexpr std::size_t pool_packets = 65'536;  // address space: only what is used is touched

class Simulation {
  public:
    Simulation(const Topology& topology, std::vector<SiteConfig> sites, const SimulationOptions& options,
               PcapngWriter::Sink capture);

    SimulationResult run();

  private:
    void add_stations();
    void add_site(SiteConfig config);
    void add_generators();
    void start_capture(const SimulationOptions& options, PcapngWriter::Sink sink);
    void record(const Network::Sighting& seen);
    void step(Instant now);
    void arrived(EndId end, std::vector<Packet>& frames, Instant now);
    void delivered(std::size_t station, const Received& datagram, Instant now);
    void dispatch(std::uint16_t port, bool returns, std::size_t station, const Received& datagram,
                  Instant now);
    void reschedule(std::size_t generator);
    void reschedule_station(std::size_t station);
    void reschedule_site(std::size_t site);
    void judge_storm(Instant now);
    [[nodiscard]] SimulationResult result() const;

    static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

    struct Place {
        std::unique_ptr<Station> station;
        std::vector<std::size_t> replays;  // generators whose frames arrive here
        std::size_t site = none;           // whose namespace it is
    };

    struct SitePlace {
        std::unique_ptr<SimulatedSite> site;
        std::vector<std::size_t> stations;  // that its ports and sockets are in
    };

    Topology topology_;  // with what events have changed
    Duration length_;
    PacketPool pool_{pool_packets};
    Network network_;
    StormGuard storm_{topology_};
    Events events_;
    Agenda agenda_;  // generators, then stations, then sites
    std::vector<Place> places_;
    std::vector<std::size_t> place_of_;  // by node
    std::vector<SitePlace> sites_;
    std::vector<std::unique_ptr<Generator>> generators_;
    std::unique_ptr<PcapngWriter> capture_;
    std::vector<std::array<std::uint32_t, 2>> interfaces_;  // of the capture, by link and end
};

Simulation::Simulation(const Topology& topology, std::vector<SiteConfig> sites,
                       const SimulationOptions& options, PcapngWriter::Sink capture)
    : topology_(topology),
      length_(options.length.value_or(topology.length.value_or(Duration{0}))),
      network_(topology_, pool_, begin,
               [this](EndId end, std::vector<Packet>& frames, Instant now) { arrived(end, frames, now); }),
      events_(topology_.events),
      agenda_(topology.traffic.size() + 2 * topology.nodes.size()),
      place_of_(topology.nodes.size(), none) {
    add_stations();
    for (SiteConfig& site : sites) add_site(std::move(site));
    add_generators();
    if (capture) start_capture(options, std::move(capture));
    events_.start(begin);
}

void Simulation::add_stations() {
    for (NodeIndex i = 0; i < topology_.nodes.size(); ++i) {
        const auto& kind = topology_.nodes[i].kind;
        if (!std::holds_alternative<Host>(kind) && !std::holds_alternative<Site>(kind)) continue;
        const std::size_t place = places_.size();
        place_of_[i] = place;
        places_.emplace_back().station = std::make_unique<Station>(
            topology_, i,
            [this](EndId from, std::vector<Packet>& frames, Instant now) {
                network_.send(from, frames, now);
            },
            [this, place](const Received& datagram, Instant now) { delivered(place, datagram, now); });
    }
}

void Simulation::add_site(SiteConfig config) {
    const std::size_t index = sites_.size();
    sites_.emplace_back();
    places_[place_of_[config.node]].site = index;
    SimulatedSite::Surroundings around{
        .topology = topology_,
        .pool = pool_,
        .station = [this, index](const std::string& name) -> Station* {
            const auto node = find_node(topology_, name);
            if (!node || place_of_[*node] == none) return nullptr;
            auto& stations = sites_[index].stations;
            if (std::ranges::find(stations, place_of_[*node]) == stations.end())
                stations.push_back(place_of_[*node]);
            return places_[place_of_[*node]].station.get();
        },
        .send = [this](EndId from, std::vector<Packet>& frames,
                       Instant now) { network_.send(from, frames, now); },
        .changed = [this, index] { reschedule_site(index); }};
    try {
        sites_[index].site = std::make_unique<SimulatedSite>(std::move(config), std::move(around), begin);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("{}: {}", topology_.file, error.what()));
    }
}

void Simulation::add_generators() {
    const Instant end = begin + length_;
    for (std::size_t i = 0; i < topology_.traffic.size(); ++i) {
        const Traffic& traffic = topology_.traffic[i];
        Place& to = places_[place_of_[traffic.to]];
        const Instant stop = traffic.stop ? std::min(end, begin + *traffic.stop) : end;
        try {
            generators_.push_back(make_generator({.traffic = traffic,
                                                  .number = static_cast<std::uint16_t>(i),
                                                  .from = *places_[place_of_[traffic.from]].station,
                                                  .to = *to.station,
                                                  .pool = pool_,
                                                  .seed = topology_.seed,
                                                  .start = begin + traffic.start,
                                                  .stop = stop}));
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(fmt::format("{}: {}", topology_.file, error.what()));
        }
        if (traffic.kind == Traffic::Kind::replay) to.replays.push_back(i);
        reschedule(i);
    }
}

void Simulation::start_capture(const SimulationOptions& options, PcapngWriter::Sink sink) {
    constexpr std::uint32_t absent = std::numeric_limits<std::uint32_t>::max();
    capture_ = std::make_unique<PcapngWriter>(std::move(sink), options.snap);
    interfaces_.resize(topology_.links.size(), {absent, absent});
    for (LinkIndex i = 0; i < topology_.links.size(); ++i) {
        if (!options.captured.empty() && std::ranges::find(options.captured, i) == options.captured.end())
            continue;
        const Link& link = topology_.links[i];
        for (std::size_t which = 0; which < 2; ++which) {
            const LinkEnd& end = link.ends[which];
            interfaces_[i][which] = capture_->add_interface(
                fmt::format("{}:{}", topology_.nodes[end.node].name, end.interface), "link " + link.name);
        }
    }
    network_.watch([this](const Network::Sighting& seen) {
        if (interfaces_[seen.link][0] != absent) record(seen);
    });
}

// As the interfaces at both ends see it: out of one, into the other.
void Simulation::record(const Network::Sighting& seen) {
    const auto sender = static_cast<std::size_t>(seen.direction);
    capture_->write({.interface = interfaces_[seen.link][seen.arrived ? 1 - sender : sender],
                     .nanoseconds = epoch + static_cast<std::uint64_t>((seen.at - begin).count()),
                     .way = seen.arrived ? PcapngWriter::Way::inbound : PcapngWriter::Way::outbound,
                     .bytes = seen.frame,
                     .original_size = seen.original_size});
}

SimulationResult Simulation::run() {
    const Instant end = begin + length_;
    for (const SitePlace& place : sites_) place.site->begin(begin);
    Instant event = events_.next();
    for (;;) {
        const Instant now = std::min({event, network_.next(), agenda_.next()});
        if (now >= end) break;
        if (storm_.suspects(network_.carried())) judge_storm(now);
        if (event <= now) {
            events_.run_due(now, [&](std::size_t index) {
                apply_action(topology_.events[index].action, topology_, network_, now);
            });
            event = events_.next();
        } else if (network_.next() <= now) {
            network_.advance(now);
        } else {
            step(now);
        }
    }
    if (capture_) capture_->flush();
    return result();
}

void Simulation::judge_storm(Instant now) {
    std::uint64_t sent = 0;
    for (const auto& generator : generators_) sent += generator->result().sent_packets;
    storm_.judge(network_.carried(), sent, now - begin);
}

void Simulation::step(Instant now) {
    const std::size_t first = agenda_.first();
    if (first >= generators_.size() + topology_.nodes.size()) {
        sites_[first - generators_.size() - topology_.nodes.size()].site->run(now);
        return;  // which has rescheduled itself
    }
    if (first >= generators_.size()) {
        const std::size_t place = first - generators_.size();
        places_[place].station->tick(now);
        return reschedule_station(place);
    }
    generators_[first]->run(now);
    reschedule(first);
    const Traffic& traffic = generators_[first]->traffic();
    reschedule_station(place_of_[traffic.from]);
    reschedule_station(place_of_[traffic.to]);
}

void Simulation::arrived(EndId end, std::vector<Packet>& frames, Instant now) {
    const std::size_t index = place_of_[topology_.links[end.link].ends[end.which].node];
    if (index == none) return;
    for (const SitePlace& place : sites_) {
        if (place.site->receive(end, frames, now)) return;
    }
    Place& place = places_[index];
    for (Packet& frame : frames) {
        const auto is_replayed = [&](std::size_t replay) {
            return generators_[replay]->frame_arrived(frame.bytes(), now);
        };
        if (std::ranges::any_of(place.replays, is_replayed)) continue;
        place.station->receive(end, std::move(frame), now);
    }
    reschedule_station(index);
}

// By the number that is in it (generator.h).
void Simulation::delivered(std::size_t station, const Received& datagram, Instant now) {
    const std::size_t site = places_[station].site;
    if (site != none && sites_[site].site->receive(datagram, now)) return;
    const FlowKey& flow = datagram.what.flow;
    switch (flow.protocol) {
        case ip_protocol::icmp:
        case ip_protocol::icmpv6:
            return dispatch(flow.source_port, true, station, datagram, now);
        case ip_protocol::udp:
            return dispatch(flow.source_port, false, station, datagram, now);
        case ip_protocol::tcp:
            if (flow.source_port == TcpTraffic::port)
                return dispatch(flow.destination_port, true, station, datagram, now);
            return dispatch(flow.source_port, false, station, datagram, now);
        default:
            return;
    }
}

std::uint8_t protocol_of(Traffic::Kind kind, bool v6) {
    switch (kind) {
        case Traffic::Kind::ping:
            return v6 ? ip_protocol::icmpv6 : ip_protocol::icmp;
        case Traffic::Kind::tcp:
            return ip_protocol::tcp;
        default:
            return ip_protocol::udp;
    }
}

void Simulation::dispatch(std::uint16_t port, bool returns, std::size_t station, const Received& datagram,
                          Instant now) {
    const std::size_t index = std::size_t{port} - Generator::number_base;
    if (port < Generator::number_base || index >= generators_.size()) return;
    const Traffic& traffic = generators_[index]->traffic();
    const FlowKey& flow = datagram.what.flow;
    if (place_of_[returns ? traffic.from : traffic.to] != station) return;
    if (flow.protocol != protocol_of(traffic.kind, flow.source.is_v6())) return;
    if (returns) {
        generators_[index]->returned(datagram, now);
    } else {
        generators_[index]->arrived(datagram, now);
    }
    reschedule(index);
}

void Simulation::reschedule(std::size_t generator) {
    agenda_.set(static_cast<std::uint32_t>(generator), generators_[generator]->next());
}

void Simulation::reschedule_station(std::size_t station) {
    agenda_.set(static_cast<std::uint32_t>(topology_.traffic.size() + station),
                places_[station].station->next_tick());
}

void Simulation::reschedule_site(std::size_t site) {
    agenda_.set(static_cast<std::uint32_t>(topology_.traffic.size() + topology_.nodes.size() + site),
                sites_[site].site->next());
    for (const std::size_t station : sites_[site].stations) reschedule_station(station);
}

SimulationResult Simulation::result() const {
    SimulationResult result;
    result.length = length_;
    for (const auto& generator : generators_) result.traffic.push_back(generator->result());
    for (LinkIndex i = 0; i < topology_.links.size(); ++i) {
        const auto& counters = result.links.emplace_back(std::array{
            network_.wire(i, Direction::there).counters(), network_.wire(i, Direction::back).counters()});
        for (const WireCounters& wire : counters) result.delivered_packets += wire.delivered_packets;
    }
    for (NodeIndex i = 0; i < topology_.nodes.size(); ++i) {
        if (place_of_[i] == none) continue;
        const Station& station = *places_[place_of_[i]].station;
        result.unresolved += station.unresolved();
        for (const HostRoute& route : station.waiting_routes()) {
            result.notes.push_back(fmt::format("{}: the route to {} leads by no interface of it",
                                               topology_.nodes[i].name, route.to.to_string()));
        }
    }
    for (const SitePlace& place : sites_) {
        for (auto& peer : place.site->peers(begin + length_))
            result.peers.push_back({place.site->node(), std::move(peer)});
    }
    result.looped = network_.looped();
    return result;
}

std::vector<std::string> notes_of(const Topology& topology, const std::vector<SiteConfig>& sites) {
    std::vector<std::string> notes;
    for (const SiteConfig& site : sites) {
        for (const std::string& file : site.made_keys) {
            notes.push_back(fmt::format("site {}: {} is not to be read: the key is made up",
                                        topology.nodes[site.node].name, file));
        }
    }
    return notes;
}

}  // namespace

SimulationResult simulate(const Topology& topology, const SimulationOptions& options,
                          PcapngWriter::Sink capture) {
    SiteConfigs configs = load_sites(topology);
    auto problems = problems_of_simulation(topology, configs.sites, options);
    std::ranges::move(configs.problems, std::back_inserter(problems));
    if (!problems.empty()) throw std::runtime_error(fmt::format("{}", fmt::join(problems, "\n")));
    std::vector<std::string> notes = notes_of(topology, configs.sites);
    auto result = Simulation(topology, std::move(configs.sites), options, std::move(capture)).run();
    result.notes.insert(result.notes.begin(), notes.begin(), notes.end());
    return result;
}

}  // namespace weft::lab
