#include "config/link_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/report.h"

namespace weft::config {

namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr std::array durations{Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"ms", 1e6},
                               Unit{"s", 1e9}, Unit{"m", 6e10}, Unit{"h", 3.6e12}};
constexpr std::array rates{Unit{"bit", 1}, Unit{"kbit", 1e3}, Unit{"mbit", 1e6}, Unit{"gbit", 1e9}};
constexpr std::array sizes{Unit{"B", 1},      Unit{"kB", 1e3},   Unit{"KB", 1e3},         Unit{"MB", 1e6},
                           Unit{"KiB", 1024}, Unit{"kiB", 1024}, Unit{"MiB", 1024 * 1024}};

std::unexpected<Fault> fault(std::string what, std::string cure) {
    return std::unexpected{Fault{std::move(what), std::move(cure)}};
}

// A number, and whatever follows it.
struct Measured {
    double value;
    std::string_view unit;
};

std::optional<Measured> measure(std::string_view text) noexcept {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
    std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    return Measured{value, unit};
}

template <std::size_t n>
std::optional<double> in_units(std::string_view text, const std::array<Unit, n>& units) noexcept {
    const auto measured = measure(text);
    if (!measured) return std::nullopt;
    const auto unit = std::ranges::find(units, measured->unit, &Unit::name);
    if (unit == units.end()) return std::nullopt;
    return measured->value * unit->factor;
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
        const auto begin = text.find_first_not_of(' ');
        if (begin == std::string_view::npos) return words;
        const auto end = std::min(text.find(' ', begin), text.size());
        words.push_back(text.substr(begin, end - begin));
        text.remove_prefix(end);
    }
}

std::string lower(std::string_view text) {
    std::string out{text};
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// In the largest unit of which there is one.
template <std::size_t n>
std::string with_unit(double value, const std::array<Unit, n>& units) {
    Unit chosen = units.front();
    for (const Unit& unit : units)
        if (value >= unit.factor) chosen = unit;
    return fmt::format("{:.15g}{}", value / chosen.factor, chosen.name);
}

constexpr std::string_view loss_forms =
    "write \"1%\", \"every 10\", \"gilbert-elliott 1% 25% 0% 100%\" or \"4-state 1% 50% 10% 30% 0.1%\"";

// Probabilities behind the first word; absent ones keep their defaults.
std::expected<void, Fault> parse_parameters(const std::vector<std::string_view>& words, std::size_t least,
                                            std::vector<double*> parameters) {
    if (words.size() < least + 1 || words.size() > parameters.size() + 1) {
        return fault(fmt::format("'{}' has {} parameters", words.front(), words.size() - 1),
                     std::string{loss_forms});
    }
    for (std::size_t i = 1; i < words.size(); ++i) {
        // In a list, where each is a probability, 1 is the whole.
        const auto value = words[i] == "1" ? std::expected<double, Fault>{1.0} : parse_probability(words[i]);
        if (!value) return std::unexpected{value.error()};
        *parameters[i - 1] = *value;
    }
    return {};
}

std::expected<LossModel, Fault> parse_every(const std::vector<std::string_view>& words) {
    std::uint64_t n = 0;
    const std::string_view last = words.back();
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), n);
    if (words.size() != 2 || error != std::errc{} || end != last.data() + last.size() || n == 0)
        return fault("'every' needs a whole number of packets", "write \"every 10\"");
    return EveryNthLoss{n};
}

std::expected<LossModel, Fault> parse_gilbert_elliott(const std::vector<std::string_view>& words) {
    GilbertElliottLoss loss;
    const auto parsed =
        parse_parameters(words, 2, {&loss.to_bad, &loss.to_good, &loss.loss_good, &loss.loss_bad});
    if (!parsed) return std::unexpected{parsed.error()};
    return loss;
}

std::expected<LossModel, Fault> parse_four_state(const std::vector<std::string_view>& words) {
    FourStateLoss loss;
    const auto parsed = parse_parameters(words, 2, {&loss.p13, &loss.p31, &loss.p32, &loss.p23, &loss.p14});
    if (!parsed) return std::unexpected{parsed.error()};
    constexpr double all = 1 + 1e-9;  // 70.1% and 29.9% are, too
    if (loss.p13 + loss.p14 > all || loss.p31 + loss.p32 > all) {
        return fault("the ways out of a state of the 4-state model are more than 100% likely",
                     "make p13 + p14 and p31 + p32 100% at most");
    }
    return loss;
}

}  // namespace

std::expected<double, Fault> parse_number(std::string_view text) {
    const auto measured = measure(text);
    if (measured && measured->unit.empty()) return measured->value;
    return fault(fmt::format("{} is not a number", quoted(text)), "write it as in 12.5");
}

std::expected<Duration, Fault> parse_precise_duration(std::string_view text, Duration most) {
    auto value = in_units(text, durations);
    if (text == "0") value = 0;
    if (!value || *value < 0) {
        return fault(fmt::format("{} is not a duration", quoted(text)),
                     "write a number and its unit, ns, us, ms, s, m or h, as in \"10ms\"");
    }
    if (*value > static_cast<double>(most.count())) {
        return fault(fmt::format("{} is too long", quoted(text)),
                     fmt::format("use \"{}\" at most", to_text(most)));
    }
    return Duration{std::llround(*value)};
}

std::string to_text(Duration duration) {
    if (duration == Duration::zero()) return "0ms";
    const std::array units{durations[0], durations[1], durations[2], durations[3]};  // 90s are no 1.5m
    return with_unit(static_cast<double>(duration.count()), units);
}

std::expected<double, Fault> parse_probability(std::string_view text) {
    const auto measured = measure(text);
    const bool is_percent = measured && measured->unit == "%";
    if (!measured || (!is_percent && !measured->unit.empty())) {
        return fault(fmt::format("{} is not a probability", quoted(text)), "write \"1%\" or 0.01");
    }
    if (!is_percent && measured->value == 1)
        return fault("1 could be 1 in 100 or all", "write \"1%\" or \"100%\"");
    const double value = is_percent ? measured->value / 100 : measured->value;
    if (value < 0 || value > 1) {
        return fault(fmt::format("{} is not a probability", quoted(text)),
                     is_percent ? "use 0% to 100%" : "use 0 to 1, or write a % behind it");
    }
    return value;
}

std::string probability_text(double probability) {
    return fmt::format("{:.12g}%", probability * 100);
}

std::expected<std::uint64_t, Fault> parse_rate(std::string_view text) {
    constexpr double most = 1e12;
    std::string lowered = lower(text);
    if (lowered.ends_with("/s")) lowered.resize(lowered.size() - 2);
    const auto value = in_units(lowered, rates);
    if (!value) {
        return fault(fmt::format("{} is not a rate", quoted(text)),
                     "write bits a second, bit, kbit, mbit or gbit, as in \"10mbit\"");
    }
    if (*value < 1 || *value > most)
        return fault(fmt::format("{} is out of range", quoted(text)), "use \"1bit\" to \"1000gbit\"");
    return static_cast<std::uint64_t>(std::llround(*value));
}

std::string rate_text(std::uint64_t rate) {
    return with_unit(static_cast<double>(rate), rates);
}

std::expected<LossModel, Fault> parse_loss(std::string_view text) {
    const auto words = words_of(text);
    if (words.empty()) return fault("an empty 'loss'", std::string{loss_forms});
    const std::string kind = lower(words.front());
    if (kind == "every") return parse_every(words);
    if (kind == "gilbert-elliott") return parse_gilbert_elliott(words);
    if (kind == "4-state") return parse_four_state(words);
    if (words.size() == 1) {
        const auto probability = parse_probability(text);
        if (probability)
            return *probability == 0 ? LossModel{NoLoss{}} : LossModel{RandomLoss{*probability, 0}};
        const char first = kind.front();
        if ((first >= '0' && first <= '9') || first == '-' || first == '.')
            return std::unexpected{probability.error()};
    }
    return fault(fmt::format("{} is not a loss", quoted(text)), std::string{loss_forms});
}

std::string to_text(const LossModel& loss) {
    struct Text {
        std::string operator()(const NoLoss&) const { return "0%"; }

        std::string operator()(const RandomLoss& random) const {
            return probability_text(random.probability);
        }

        std::string operator()(const EveryNthLoss& every) const { return fmt::format("every {}", every.n); }

        std::string operator()(const GilbertElliottLoss& g) const {
            return fmt::format("gilbert-elliott {} {} {} {}", probability_text(g.to_bad),
                               probability_text(g.to_good), probability_text(g.loss_good),
                               probability_text(g.loss_bad));
        }

        std::string operator()(const FourStateLoss& f) const {
            return fmt::format("4-state {} {} {} {} {}", probability_text(f.p13), probability_text(f.p31),
                               probability_text(f.p32), probability_text(f.p23), probability_text(f.p14));
        }
    };

    return std::visit(Text{}, loss);
}

std::expected<void, Fault> parse_queue(std::string_view text, QueueModel& queue) {
    constexpr double most_packets = 1'000'000;
    constexpr double most_bytes = 1e9;
    constexpr std::string_view cure = "write packets, as in \"100 packets\", or bytes, as in \"64kB\"";
    if (const auto measured = measure(text);
        measured && (measured->unit.empty() || measured->unit == "packets" || measured->unit == "packet")) {
        if (measured->value < 1 || measured->value > most_packets ||
            measured->value != std::floor(measured->value))
            return fault(fmt::format("{} is not a number of packets", quoted(text)), "use 1 to 1000000");
        queue.packets = static_cast<std::uint32_t>(measured->value);
        queue.bytes.reset();
        return {};
    }
    const auto bytes = in_units(text, sizes);
    if (!bytes) return fault(fmt::format("{} is not the size of a queue", quoted(text)), std::string{cure});
    if (*bytes < 1 || *bytes > most_bytes)
        return fault(fmt::format("{} is out of range", quoted(text)), "use \"1B\" to \"1000MB\"");
    queue.bytes = static_cast<std::uint64_t>(std::llround(*bytes));
    queue.packets.reset();
    return {};
}

std::string queue_text(const QueueModel& queue) {
    if (queue.bytes) return fmt::format("{}B", *queue.bytes);
    constexpr std::uint32_t by_default = 1000;
    return fmt::format("{} packets", queue.packets.value_or(by_default));
}

}  // namespace weft::config
