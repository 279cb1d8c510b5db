#include "lab/capture.h"

#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lab/apply_action.h"
#include "lab/pcapng.h"
#include "vswitch/precise_timer.h"

namespace weft::lab {

namespace {

using namespace std::chrono_literals;

constexpr mode_t only_ours = 0600;
constexpr std::size_t longest_request = 65536;
constexpr std::size_t most_unsent = std::size_t{16} << 20U;
constexpr Duration until_flushed = 100ms;

// From the clock that the lab has to that of a capture.
std::int64_t offset_to_time_of_day() noexcept {
    timespec day{};
    clock_gettime(CLOCK_REALTIME, &day);
    const Duration since_1970 = std::chrono::seconds{day.tv_sec} + std::chrono::nanoseconds{day.tv_nsec};
    return (since_1970 - precise_now().time_since_epoch()).count();
}

std::vector<LinkIndex> links_of_targets(const Topology& topology, const std::vector<std::string>& targets) {
    std::vector<bool> chosen(topology.links.size(), targets.empty());
    for (const std::string& target : targets) {
        if (const auto link = find_link(topology, target)) {
            chosen[*link] = true;
        } else if (const auto node = find_node(topology, target)) {
            for (const LinkIndex one : links_of(topology, *node)) chosen[one] = true;
        } else {
            throw_unknown(topology, target);
        }
    }
    std::vector<LinkIndex> links;
    for (LinkIndex i = 0; i < chosen.size(); ++i) {
        if (chosen[i]) links.push_back(i);
    }
    return links;
}

}  // namespace

struct CaptureServer::Reader {
    UnixStream stream;
    std::string request;
    std::optional<PcapngWriter> writer;
    std::map<std::pair<LinkIndex, Direction>, std::uint32_t> interfaces;
    std::int64_t to_time_of_day = offset_to_time_of_day();
    std::uint64_t missed = 0;
    bool ends = false;  // has what it wants
    bool gone = false;

    explicit Reader(UnixStream connection) : stream(std::move(connection)) {}

    void begin(const Topology& topology) {
        const auto wanted = nlohmann::json::parse(request, nullptr, false);
        if (!wanted.is_object() || !wanted.contains("targets"))
            throw std::runtime_error("a capture begins with {\"targets\": [...]}");
        const auto links = links_of_targets(topology, wanted.at("targets").get<std::vector<std::string>>());
        writer.emplace([this](std::span<const std::uint8_t> bytes) { send(bytes); });
        for (const LinkIndex index : links) {
            const Link& link = topology.links[index];
            const auto& from = topology.nodes[link.ends[0].node].name;
            const auto& to = topology.nodes[link.ends[1].node].name;
            interfaces[{index, Direction::there}] =
                writer->add_interface(link.name, fmt::format("{} -> {}", from, to));
            interfaces[{index, Direction::back}] =
                writer->add_interface(link.name + " (back)", fmt::format("{} -> {}", to, from));
        }
        writer->flush();
    }

    // What is on its way to it is to come.
    [[nodiscard]] bool is_served() const noexcept { return ends && stream.unsent() == 0; }

    void send(std::span<const std::uint8_t> bytes) {
        if (!gone) stream.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }

    void see(const Network::Sighting& seen) {
        if (seen.arrived || ends || gone || !writer) return;
        const auto interface = interfaces.find({seen.link, seen.direction});
        if (interface == interfaces.end()) return;
        if (stream.unsent() > most_unsent) {
            ++missed;
            return;
        }
        const auto at = seen.at.time_since_epoch().count() + to_time_of_day;
        writer->write({.interface = interface->second,
                       .nanoseconds = static_cast<std::uint64_t>(at),
                       .way = PcapngWriter::Way::unknown,
                       .bytes = seen.frame,
                       .original_size = seen.original_size});
    }
};

CaptureServer::CaptureServer(Loop& loop, const std::string& folder, const Topology& topology,
                             Network& network)
    : topology_(topology),
      network_(network),
      reaper_(loop,
              [this] {
                  readers_.remove_if([](const auto& reader) { return reader->gone; });
                  watch_or_not();
              }),
      flusher_(loop,
               [this] {
                   for (const auto& reader : readers_) {
                       if (reader->writer) reader->writer->flush();
                   }
               }),
      server_(loop, folder + "/" + capture_socket, only_ours,
              [this](UnixStream stream) { accept(std::move(stream)); }) {}

CaptureServer::~CaptureServer() {
    network_.watch({});
}

void CaptureServer::watch_or_not() {
    if (readers_.empty()) {
        network_.watch({});
        flusher_.stop();
        return;
    }
    network_.watch([this](const Network::Sighting& seen) {
        for (const auto& reader : readers_) reader->see(seen);
    });
    if (!flusher_.active()) flusher_.start(until_flushed, until_flushed);
}

// Whoever has to go is only marked here: it may be its own call that says so.
void CaptureServer::accept(UnixStream stream) {
    auto& reader = *readers_.emplace_back(std::make_unique<Reader>(std::move(stream)));
    const auto leave = [this, &reader] {
        if (!reader.gone && reader.missed > 0)
            fmt::print(stderr, "a capture has missed {} frames: its reader was too slow\n", reader.missed);
        reader.gone = true;
        reaper_.start(Duration::zero());
    };
    reader.stream.start({
        .received =
            [this, &reader, leave](std::string_view bytes) {
                if (reader.writer || reader.gone) return;
                reader.request += bytes;
                if (reader.request.find('\n') == std::string::npos) {
                    if (reader.request.size() > longest_request) leave();
                    return;
                }
                try {
                    reader.begin(topology_);
                } catch (const std::exception& error) {
                    // No block of a pcapng begins so.
                    reader.stream.write(fmt::format("error: {}\n", error.what()));
                    leave();
                }
            },
        .ended =
            [&reader, leave] {
                if (reader.writer) reader.writer->flush();
                reader.ends = true;
                if (reader.is_served()) leave();
            },
        .failed = leave,
        .written =
            [&reader, leave] {
                if (reader.is_served()) leave();
            },
    });
    watch_or_not();
}

}  // namespace weft::lab
