#include "lab/top.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/human.h"
#include "cli/table.h"
#include "lab/lab_control.h"
#include "lab/launch.h"
#include "lab/state_folder.h"
#include "lab/status_view.h"

namespace weft::lab {

using nlohmann::json;

namespace {

struct Line {
    std::string link;
    std::string direction;
    bool up = true;
    double bits_per_s = 0;
    double packets_per_s = 0;
    double lost_per_s = 0;
    std::uint64_t lost = 0;
    std::uint64_t queued_packets = 0;
    std::uint64_t queued_bytes = 0;
    std::string impairment;
};

std::uint64_t number(const json& wire, const char* key) {
    return wire.value(key, std::uint64_t{0});
}

std::vector<Line> lines_of(const json& before, const json& now) {
    std::map<std::string, const json*> earlier;
    for (const json& link : before.at("links")) earlier[link.at("name").get<std::string>()] = &link;
    const double passed =
        std::max(now.at("uptime_s").get<double>() - before.at("uptime_s").get<double>(), 0.001);
    std::vector<Line> lines;
    for (const json& link : now.at("links")) {
        const auto name = link.at("name").get<std::string>();
        const auto found = earlier.find(name);
        for (const char* direction : {"there", "back"}) {
            const json& wire = link.at(direction);
            const json none = json::object();
            const json& was = found == earlier.end() ? none : found->second->at(direction);
            const auto rate = [&](const char* key) {
                return static_cast<double>(number(wire, key) - number(was, key)) / passed;
            };
            const std::size_t from = direction == std::string_view{"there"} ? 0 : 1;
            constexpr double bits = 8;
            lines.push_back(
                {.link = name,
                 .direction = fmt::format("{} -> {}", link.at("ends").at(from).at("node").get<std::string>(),
                                          link.at("ends").at(1 - from).at("node").get<std::string>()),
                 .up = wire.at("up").get<bool>(),
                 .bits_per_s = rate("delivered_bytes") * bits,
                 .packets_per_s = rate("delivered_packets"),
                 .lost_per_s = static_cast<double>(lost_packets(wire) - lost_packets(was)) / passed,
                 .lost = lost_packets(wire),
                 .queued_packets = number(wire, "queued_packets"),
                 .queued_bytes = number(wire, "queued_bytes"),
                 .impairment = impairment_text(wire)});
        }
    }
    return lines;
}

struct Size {
    unsigned rows = 0;
    unsigned columns = 0;
};

Size terminal_size() noexcept {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return {};
    return {size.ws_row, size.ws_col};
}

// Another screen, no cursor, and keys without Enter; all as it was at the end.
class Screen {
  public:
    Screen() {
        has_keys_ = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (has_keys_) {
            termios raw = before_;
            raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
            ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        fmt::print("\033[?1049h\033[?25l");
    }

    ~Screen() {
        fmt::print("\033[?25h\033[?1049l");
        std::fflush(stdout);
        if (has_keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }

    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    static void draw(const std::string& text) {
        fmt::print("\033[H{}\033[J", text);
        std::fflush(stdout);
    }

    [[nodiscard]] bool has_keys() const noexcept { return has_keys_; }

  private:
    termios before_{};
    bool has_keys_ = false;
};

json ask(const std::string& lab) {
    return Client{state_folder(lab) + "/" + control_socket}.call("status", json::object());
}

bool color_wanted() {
    const auto* no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
    return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

// True: the person wants to leave.
bool pause(const InterruptWatch& watch, Duration interval, bool has_keys) {
    try {
        if (!has_keys) {
            watch.sleep(interval);
            return false;
        }
        if (!watch.wait_for(STDIN_FILENO, interval)) return false;
        char key = 0;
        return ::read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q');
    } catch (const Interrupted&) {
        return true;
    }
}

}  // namespace

std::string render_top(const json& before, const json& now, unsigned limit, bool color) {
    using Tone = Table::Tone;
    auto lines = lines_of(before, now);
    std::ranges::stable_sort(lines, [](const Line& a, const Line& b) { return a.bits_per_s > b.bits_per_s; });
    if (limit != 0 && lines.size() > limit) lines.resize(limit);
    Table table({{"LINK"},
                 {"DIRECTION"},
                 {"STATE"},
                 {"RATE", Table::Align::right},
                 {"PACKETS/S", Table::Align::right},
                 {"LOST/S", Table::Align::right},
                 {"LOST", Table::Align::right},
                 {"QUEUE", Table::Align::right},
                 {"IMPAIRMENT"}});
    for (const Line& line : lines) {
        table.add(
            {line.link,
             line.direction,
             {line.up ? "up" : "down", line.up ? Tone::good : Tone::bad},
             human_bit_rate(static_cast<std::uint64_t>(line.bits_per_s)),
             fmt::format("{:.0f}", line.packets_per_s),
             {fmt::format("{:.0f}", line.lost_per_s), line.lost_per_s > 0 ? Tone::doubtful : Tone::plain},
             std::to_string(line.lost),
             line.queued_packets == 0
                 ? std::string{"0"}
                 : fmt::format("{} ({})", line.queued_packets, human_bytes(line.queued_bytes)),
             line.impairment});
    }
    return fmt::format("lab {}, up for {}\n", now.at("lab").get<std::string>(),
                       human_duration(now.at("uptime_s").get<double>())) +
           table.to_string(color);
}

int top(const std::string& lab, const TopOptions& options) {
    const InterruptWatch watch;
    const bool live = !options.once && ::isatty(STDOUT_FILENO) != 0;
    const auto interval =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>{options.interval_s});
    std::optional<Screen> screen;
    json before = ask(lab);
    if (live) screen.emplace();
    // The first one comes soon.
    for (Duration next = std::min<Duration>(interval, std::chrono::seconds{1});; next = interval) {
        if (pause(watch, next, screen && screen->has_keys())) return 0;
        json now = ask(lab);
        constexpr unsigned around = 3;
        const unsigned rows = live ? terminal_size().rows : 0;
        const unsigned limit = options.limit != 0 ? options.limit : rows > around ? rows - around : 0;
        const std::string text = render_top(before, now, limit, color_wanted());
        if (live) {
            Screen::draw(text);
        } else {
            fmt::print("{}\n", text);
            std::fflush(stdout);
        }
        if (options.once) return 0;
        before = std::move(now);
    }
}

}  // namespace weft::lab
