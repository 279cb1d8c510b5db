#include "config/link_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/link_values.h"
#include "config/report.h"

namespace weft::config {

namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20U;
constexpr std::size_t most_steps = 1'000'000;
constexpr Duration longest{std::chrono::hours{24}};
constexpr std::string_view white = " \t\r";

std::unexpected<Fault> fault(std::string what, std::string cure) {
    return std::unexpected{Fault{std::move(what), std::move(cure)}};
}

std::unexpected<Fault> fault(const std::string& path, unsigned line, std::string_view what,
                             std::string cure) {
    return fault(fmt::format("{}:{}: {}", printable(path), line, what), std::move(cure));
}

std::string_view trim(std::string_view text) noexcept {
    const auto first = text.find_first_not_of(white);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(white) - first + 1);
}

// The lines that say something, one after the other.
class Lines {
  public:
    explicit Lines(std::string_view text) noexcept : rest_(text) {}

    std::optional<std::string_view> next() noexcept {
        while (!rest_.empty()) {
            ++number_;
            const auto end = std::min(rest_.find('\n'), rest_.size());
            const std::string_view line = trim(rest_.substr(0, end));
            rest_.remove_prefix(std::min(end + 1, rest_.size()));
            if (!line.empty() && line.front() != '#') return line;
        }
        return std::nullopt;
    }

    [[nodiscard]] unsigned number() const noexcept { return number_; }

  private:
    std::string_view rest_;
    unsigned number_ = 0;
};

std::expected<std::string, Fault> read_file(const std::string& path, const OpenFile& open) {
    const auto cannot = [&](int error) {
        return fault(fmt::format("cannot read {}: {}", quoted(path), std::strerror(error)),
                     "give the path of a file that weft may read");
    };
    const int fd = open(path);
    if (fd < 0) return cannot(errno);
    std::string text;
    std::array<char, 65536> chunk{};
    while (true) {
        const ssize_t got = ::read(fd, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || text.size() > largest_file) {
            const int error = errno;
            ::close(fd);
            if (got < 0) return cannot(error);
            break;
        }
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    if (text.size() > largest_file)
        return fault(fmt::format("{} is larger than 16 MiB", quoted(path)), "split it");
    return text;
}

std::optional<std::int64_t> whole_number(std::string_view text) noexcept {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

std::expected<LinkTrace, Fault> parse_mahimahi(std::string_view text, const std::string& path) {
    LinkTrace trace{.file = path, .steps = {}, .opportunities = {}, .length = {}};
    Lines lines{text};
    while (const auto line = lines.next()) {
        const auto number = whole_number(*line);
        if (!number || *number > longest / std::chrono::milliseconds{1}) {
            return fault(path, lines.number(),
                         fmt::format("{} is not a number of milliseconds", quoted(*line)),
                         "write a whole number a line, or commas between time, delay, loss and rate");
        }
        const Duration at = std::chrono::milliseconds{*number};
        if (at < trace.length)
            return fault(path, lines.number(), "the time is before that of the line above", "sort the file");
        if (trace.opportunities.size() == most_steps)
            return fault(path, lines.number(), "more than 1000000 lines", "shorten the trace");
        trace.opportunities.push_back(at);
        trace.length = at;
    }
    if (trace.length == Duration::zero()) {
        return fault(fmt::format("{}: the trace has no length", printable(path)),
                     "add a line with a time after 0");
    }
    return trace;
}

constexpr std::array<std::string_view, 4> columns{"time", "delay", "loss", "rate"};

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    while (true) {
        const auto end = line.find(',');
        fields.push_back(trim(line.substr(0, end)));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

// A bare number of `unit`, or a text with a unit.
std::expected<Duration, Fault> parse_time(std::string_view text, Duration unit) {
    const auto number = parse_number(text);
    if (!number) return parse_precise_duration(text, longest);
    const double value = *number * static_cast<double>(unit.count());
    if (value < 0 || value > static_cast<double>(longest.count()))
        return fault(fmt::format("{} is out of range", quoted(text)), "use 0 to 24 hours");
    return Duration{std::llround(value)};
}

std::expected<std::uint64_t, Fault> parse_row_rate(std::string_view text) {
    constexpr double most = 1e12;
    const auto number = parse_number(text);
    if (!number) return parse_rate(text);
    if (*number < 0 || *number > most)
        return fault(fmt::format("{} is out of range", quoted(text)), "use 0 to 1e12 bits a second");
    return static_cast<std::uint64_t>(std::llround(*number));
}

std::expected<void, Fault> parse_field(std::string_view column, std::string_view text,
                                       LinkTrace::Step& step) {
    if (text.empty()) return {};
    const auto put = [](auto& to, const auto& value) -> std::expected<void, Fault> {
        if (!value) return std::unexpected{value.error()};
        to = *value;
        return {};
    };
    if (column == "time") return put(step.at, parse_time(text, std::chrono::seconds{1}));
    if (column == "delay") return put(step.delay, parse_time(text, std::chrono::milliseconds{1}));
    if (column == "rate") return put(step.rate, parse_row_rate(text));
    if (text != "1") return put(step.loss, parse_probability(text));
    step.loss = 1.0;
    return {};
}

// The columns that a heading names; nothing: it is no heading.
std::optional<std::vector<std::string_view>> parse_heading(const std::vector<std::string_view>& fields) {
    std::vector<std::string_view> named;
    for (const std::string_view field : fields) {
        const auto column = std::ranges::find(columns, field);
        if (column == columns.end()) return std::nullopt;
        named.push_back(*column);
    }
    return named;
}

std::expected<LinkTrace, Fault> parse_csv(std::string_view text, const std::string& path) {
    LinkTrace trace{.file = path, .steps = {}, .opportunities = {}, .length = {}};
    std::vector<std::string_view> named{columns.begin(), columns.end()};
    Lines lines{text};
    bool is_first = true;
    while (const auto line = lines.next()) {
        const auto fields = fields_of(*line);
        if (std::exchange(is_first, false)) {
            if (const auto heading = parse_heading(fields)) {
                named = *heading;
                if (std::ranges::count(named, columns.front()) != 1)
                    return fault(path, lines.number(), "there is not one column 'time'", "add it");
                continue;
            }
        }
        if (fields.size() > named.size()) {
            return fault(path, lines.number(),
                         fmt::format("{} fields for {} columns", fields.size(), named.size()),
                         "write time, delay, loss and rate, with commas between them");
        }
        LinkTrace::Step step;
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const auto parsed = parse_field(named[i], fields[i], step);
            if (!parsed) return fault(path, lines.number(), parsed.error().what, parsed.error().cure);
        }
        if (!trace.steps.empty() && step.at <= trace.steps.back().at) {
            return fault(path, lines.number(), "the time is not after that of the line above",
                         "sort the file");
        }
        if (trace.steps.size() == most_steps)
            return fault(path, lines.number(), "more than 1000000 lines", "shorten the trace");
        trace.steps.push_back(step);
    }
    const std::size_t count = trace.steps.size();
    if (count == 0) return fault(fmt::format("{}: the trace is empty", printable(path)), "add a line");
    if (count > 1) trace.length = 2 * trace.steps[count - 1].at - trace.steps[count - 2].at;
    return trace;
}

}  // namespace

int open_file(const std::string& path) {
    return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

std::expected<LinkTrace, Fault> load_trace(const std::string& path, const OpenFile& open) {
    const auto text = read_file(path, open);
    if (!text) return std::unexpected{text.error()};
    return parse_trace(*text, path);
}

std::expected<DelayTable, Fault> load_delay_table(const std::string& path, const OpenFile& open) {
    const auto text = read_file(path, open);
    if (!text) return std::unexpected{text.error()};
    return parse_delay_table(*text, path);
}

std::expected<LinkTrace, Fault> parse_trace(std::string_view text, const std::string& path) {
    const auto first = Lines{text}.next();
    if (!first) return fault(fmt::format("{}: the trace is empty", printable(path)), "add a line");
    return whole_number(*first) ? parse_mahimahi(text, path) : parse_csv(text, path);
}

std::expected<DelayTable, Fault> parse_delay_table(std::string_view text, const std::string& path) {
    constexpr std::size_t most_quantiles = 65536;
    std::vector<double> samples;
    Lines lines{text};
    while (auto line = lines.next()) {
        while (!line->empty()) {
            const auto end = std::min(line->find_first_of(" \t,"), line->size());
            const std::string_view word = line->substr(0, end);
            line->remove_prefix(std::min(end + 1, line->size()));
            if (word.empty()) continue;
            const auto number = parse_number(word);
            if (!number || std::abs(*number) > 1e12) {
                return fault(path, lines.number(), fmt::format("{} is not a number", quoted(word)),
                             "write numbers only, with white space between them");
            }
            samples.push_back(*number);
        }
    }
    double mean = 0;
    for (const double sample : samples) mean += sample / static_cast<double>(samples.size());
    double variance = 0;
    for (const double sample : samples)
        variance += (sample - mean) * (sample - mean) / static_cast<double>(samples.size());
    if (samples.size() < 2 || variance <= 0) {
        return fault(fmt::format("{}: there are not two numbers that differ", printable(path)),
                     "give a file of samples");
    }
    std::ranges::sort(samples);
    DelayTable table{.file = path, .quantiles = {}};
    const std::size_t count = std::min(samples.size(), most_quantiles);
    const double deviation = std::sqrt(variance);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t index = i * (samples.size() - 1) / (count - 1);
        table.quantiles.push_back(static_cast<float>((samples[index] - mean) / deviation));
    }
    return table;
}

}  // namespace weft::config
