#include "config/read_impairment.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/link_values.h"
#include "config/nearest.h"

namespace weft::config {

namespace {

using Set = std::expected<void, Fault>;

constexpr Duration longest_delay = std::chrono::hours{1};
constexpr Duration longest_time = std::chrono::hours{24 * 365};

std::unexpected<Fault> fault(std::string what, std::string cure) {
    return std::unexpected{Fault{std::move(what), std::move(cure)}};
}

template <class To, class Value>
Set put(To& to, std::expected<Value, Fault> value) {
    if (!value) return std::unexpected{std::move(value.error())};
    to = std::move(*value);
    return {};
}

std::expected<bool, Fault> parse_boolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return fault(fmt::format("{} is neither true nor false", quoted(text)), "write true or false");
}

Set set_distribution(Impairment& impairment, std::string_view text, const OpenFile& open) {
    using Shape = DelayModel::Shape;
    DelayModel& delay = impairment.delay;
    const auto set_shape = [&](Shape shape) -> Set {
        delay.shape = shape;
        delay.table.reset();
        return {};
    };
    if (text == "uniform") return set_shape(Shape::uniform);
    if (text == "normal") return set_shape(Shape::normal);
    if (text == "pareto") return set_shape(Shape::pareto);
    auto table = load_delay_table(std::string{text}, open);
    if (!table) {
        constexpr std::array<std::string_view, 3> shapes{"uniform", "normal", "pareto"};
        table.error().cure =
            did_you_mean(text, shapes, "write uniform, normal, pareto, or a file that weft may read");
        return std::unexpected{table.error()};
    }
    delay.shape = Shape::table;
    delay.table = std::make_shared<const DelayTable>(std::move(*table));
    return {};
}

// With another probability the correlation stays.
Set set_loss(Impairment& impairment, std::string_view text) {
    auto loss = parse_loss(text);
    if (!loss) return std::unexpected{loss.error()};
    const auto* before = std::get_if<RandomLoss>(&impairment.loss);
    if (auto* random = std::get_if<RandomLoss>(&*loss); random != nullptr && before != nullptr)
        random->correlation = before->correlation;
    impairment.loss = *loss;
    return {};
}

Set set_loss_correlation(Impairment& impairment, std::string_view text) {
    const auto correlation = parse_probability(text);
    if (!correlation) return std::unexpected{correlation.error()};
    if (auto* random = std::get_if<RandomLoss>(&impairment.loss)) {
        random->correlation = *correlation;
        return {};
    }
    if (*correlation == 0) return {};
    return fault("'loss_correlation' is for packets that are lost at random", "add loss = \"1%\"");
}

Set set_bit_errors(Impairment& impairment, std::string_view text) {
    constexpr double most = 0.5;
    const auto rate = parse_probability(text);
    if (!rate || *rate > most) {
        return fault(fmt::format("{} is not a bit error rate", quoted(text)), "use 0 to 0.5, as in \"1e-6\"");
    }
    impairment.bit_error_rate = *rate;
    return {};
}

Set set_discipline(Impairment& impairment, std::string_view text) {
    using Discipline = QueueModel::Discipline;
    Discipline& discipline = impairment.queue.discipline;
    if (text == "drop-tail") return put(discipline, std::expected<Discipline, Fault>{Discipline::drop_tail});
    if (text == "codel") return put(discipline, std::expected<Discipline, Fault>{Discipline::codel});
    if (text == "fq-codel") return put(discipline, std::expected<Discipline, Fault>{Discipline::fq_codel});
    constexpr std::array<std::string_view, 3> known{"drop-tail", "codel", "fq-codel"};
    return fault(fmt::format("{} is not a discipline of queues", quoted(text)),
                 did_you_mean(text, known, "use drop-tail, codel or fq-codel"));
}

Set set_mtu(Impairment& impairment, std::string_view text) {
    constexpr double least = 68;  // RFC 791
    if (text == "none") {
        impairment.mtu.reset();
        return {};
    }
    const auto number = parse_number(text);
    if (!number || *number < least || *number > max_mtu ||
        *number != static_cast<double>(static_cast<int>(*number))) {
        return fault(fmt::format("{} is not an MTU", quoted(text)),
                     fmt::format("use 68 to {}, or none", max_mtu));
    }
    impairment.mtu = static_cast<std::uint16_t>(*number);
    return {};
}

Set set_trace(Impairment& impairment, std::string_view text, const OpenFile& open) {
    if (text == "none") {
        impairment.trace.reset();
        return {};
    }
    auto trace = load_trace(std::string{text}, open);
    if (!trace) return std::unexpected{trace.error()};
    impairment.trace = std::make_shared<const LinkTrace>(std::move(*trace));
    return {};
}

struct Setting {
    std::string_view key;
    Set (*set)(Impairment&, std::string_view text, const OpenFile& open);
};

// In the order in which they are read: what refers to another key comes after it.
constexpr std::array settings{
    Setting{"up",
            [](Impairment& i, std::string_view t, const OpenFile&) { return put(i.up, parse_boolean(t)); }},
    Setting{"mtu", [](Impairment& i, std::string_view t, const OpenFile&) { return set_mtu(i, t); }},
    Setting{"loss", [](Impairment& i, std::string_view t, const OpenFile&) { return set_loss(i, t); }},
    Setting{"loss_correlation",
            [](Impairment& i, std::string_view t, const OpenFile&) { return set_loss_correlation(i, t); }},
    Setting{"corrupt",
            [](Impairment& i, std::string_view t, const OpenFile&) { return set_bit_errors(i, t); }},
    Setting{"duplicate", [](Impairment& i, std::string_view t,
                            const OpenFile&) { return put(i.duplicate, parse_probability(t)); }},
    Setting{"reorder", [](Impairment& i, std::string_view t,
                          const OpenFile&) { return put(i.reorder, parse_probability(t)); }},
    Setting{"rate",
            [](Impairment& i, std::string_view t, const OpenFile&) -> Set {
                if (t != "none") return put(i.rate, parse_rate(t));
                i.rate.reset();
                return {};
            }},
    Setting{"queue",
            [](Impairment& i, std::string_view t, const OpenFile&) { return parse_queue(t, i.queue); }},
    Setting{"discipline",
            [](Impairment& i, std::string_view t, const OpenFile&) { return set_discipline(i, t); }},
    Setting{"target",
            [](Impairment& i, std::string_view t, const OpenFile&) {
                return put(i.queue.target, parse_precise_duration(t, longest_delay));
            }},
    Setting{"interval",
            [](Impairment& i, std::string_view t, const OpenFile&) {
                return put(i.queue.interval, parse_precise_duration(t, longest_delay));
            }},
    Setting{"delay",
            [](Impairment& i, std::string_view t, const OpenFile&) {
                return put(i.delay.mean, parse_precise_duration(t, longest_delay));
            }},
    Setting{"jitter",
            [](Impairment& i, std::string_view t, const OpenFile&) {
                return put(i.delay.jitter, parse_precise_duration(t, longest_delay));
            }},
    Setting{"distribution", [](Impairment& i, std::string_view t,
                               const OpenFile& open) { return set_distribution(i, t, open); }},
    Setting{"delay_correlation",
            [](Impairment& i, std::string_view t, const OpenFile&) {
                return put(i.delay.correlation, parse_probability(t));
            }},
    Setting{"reordering", [](Impairment& i, std::string_view t,
                             const OpenFile&) { return put(i.delay.reorders, parse_boolean(t)); }},
    Setting{"trace",
            [](Impairment& i, std::string_view t, const OpenFile& open) { return set_trace(i, t, open); }},
};

OpenFile opener(const Report& report) {
    return [&report](const std::string& path) { return report.open_key(report.resolve(path)); };
}

// A table that is read a second time has told its problems already.
struct Source {
    const Section* section = nullptr;
    bool tells = true;

    void problem(std::string_view key, const Fault& fault) const {
        if (tells) section->problem(key, fault.what, fault.cure);
    }
};

void read_settings(const Source& source, Impairment& impairment) {
    for (const Setting& setting : settings) {
        const auto text = source.section->scalar(setting.key);
        if (!text) continue;
        const auto set = setting.set(impairment, *text, opener(source.section->report()));
        if (!set) source.problem(setting.key, set.error());
    }
}

std::optional<Duration> read_time(const Source& source, std::string_view key) {
    const auto text = source.section->scalar(key);
    if (!text) return std::nullopt;
    const auto time = parse_precise_duration(*text, longest_time);
    if (time) return *time;
    source.problem(key, time.error());
    return std::nullopt;
}

void read_repeat(const Source& source, Impairment& impairment) {
    const auto repeat = read_time(source, "repeat");
    if (!repeat) return;
    impairment.repeat = *repeat;
    if (impairment.schedule.empty()) {
        source.problem("repeat", {"there is no schedule to be repeated",
                                  "add schedule = [{ at = \"10s\", up = false }], or remove 'repeat'"});
    } else if (*repeat <= impairment.schedule.back().at) {
        source.problem("repeat",
                       {"the schedule is repeated before its last entry",
                        fmt::format("use more than \"{}\"", to_text(impairment.schedule.back().at))});
    }
}

void read_schedule(const Source& source, Impairment& impairment) {
    Impairment last = impairment;
    for (const Section& section : source.section->tables("schedule", scheduled_impairment_schema)) {
        const Source entry{&section, source.tells};
        if (source.tells) section.check();
        read_settings(entry, last);
        const auto at = read_time(entry, "at");
        if (!at) continue;
        if (!impairment.schedule.empty() && *at <= impairment.schedule.back().at) {
            entry.problem("at", {"this time is not after that of the entry before it", "sort the schedule"});
            continue;
        }
        impairment.schedule.push_back({*at, std::make_shared<const Impairment>(last)});
    }
    read_repeat(source, impairment);
}

Impairment read_all(std::span<const Source> sources) {
    Impairment impairment;
    const Source* with_schedule = &sources.front();
    for (const Source& source : sources) {
        read_settings(source, impairment);
        if (source.section->has("schedule")) with_schedule = &source;
    }
    read_schedule(*with_schedule, impairment);
    return impairment;
}

}  // namespace

Impairment read_impairment(const Section& section) {
    section.check();
    return read_all(std::array{Source{&section}});
}

Impairment read_impairment(const Section& base, const Section& section) {
    section.check();
    return read_all(std::array{Source{&base, false}, Source{&section}});
}

std::expected<void, Fault> set_impairment(Impairment& impairment, std::string_view key,
                                          std::string_view value, const OpenFile& open) {
    const auto setting = std::ranges::find(settings, key, &Setting::key);
    if (setting != settings.end()) return setting->set(impairment, value, open);
    if (key == "schedule" || key == "repeat") {
        return fault(fmt::format("'{}' cannot be changed while the link runs", key),
                     "change it in the file, and begin anew");
    }
    std::vector<std::string_view> keys;
    keys.reserve(std::size(settings));
    for (const Setting& known : settings) keys.push_back(known.key);
    return fault(fmt::format("a link has no {}", quoted(key)),
                 did_you_mean(key, keys, fmt::format("use {}", fmt::join(keys, ", "))));
}

std::vector<std::pair<std::string, std::string>> settings_of(const Impairment& impairment) {
    std::vector<std::pair<std::string, std::string>> out;
    const Impairment nothing;
    const auto add = [&](std::string_view key, bool is_default, auto&& text) {
        if (!is_default) out.emplace_back(key, text());
    };
    const DelayModel& delay = impairment.delay;
    const QueueModel& queue = impairment.queue;
    add("up", impairment.up, [] { return std::string{"false"}; });
    add("delay", delay.mean == Duration::zero(), [&] { return to_text(delay.mean); });
    add("jitter", delay.jitter == Duration::zero(), [&] { return to_text(delay.jitter); });
    add("distribution", delay.shape == DelayModel::Shape::uniform, [&] {
        if (delay.shape == DelayModel::Shape::normal) return std::string{"normal"};
        return delay.table ? delay.table->file : std::string{"pareto"};
    });
    add("delay_correlation", delay.correlation == 0, [&] { return probability_text(delay.correlation); });
    add("reordering", !delay.reorders, [] { return std::string{"true"}; });
    add("loss", std::holds_alternative<NoLoss>(impairment.loss), [&] { return to_text(impairment.loss); });
    if (const auto* random = std::get_if<RandomLoss>(&impairment.loss)) {
        add("loss_correlation", random->correlation == 0,
            [&] { return probability_text(random->correlation); });
    }
    add("corrupt", impairment.bit_error_rate == 0,
        [&] { return fmt::format("{:.12g}", impairment.bit_error_rate); });
    add("duplicate", impairment.duplicate == 0, [&] { return probability_text(impairment.duplicate); });
    add("reorder", impairment.reorder == 0, [&] { return probability_text(impairment.reorder); });
    add("rate", !impairment.rate, [&] { return rate_text(*impairment.rate); });
    add("queue", !queue.packets && !queue.bytes, [&] { return queue_text(queue); });
    add("discipline", queue.discipline == QueueModel::Discipline::drop_tail, [&] {
        return std::string{queue.discipline == QueueModel::Discipline::codel ? "codel" : "fq-codel"};
    });
    add("target", queue.target == nothing.queue.target, [&] { return to_text(queue.target); });
    add("interval", queue.interval == nothing.queue.interval, [&] { return to_text(queue.interval); });
    add("mtu", !impairment.mtu, [&] { return fmt::format("{}", *impairment.mtu); });
    add("trace", !impairment.trace, [&] { return impairment.trace->file; });
    add("schedule", impairment.schedule.empty(),
        [&] { return fmt::format("{}", impairment.schedule.size()); });
    add("repeat", impairment.repeat == Duration::zero(), [&] { return to_text(impairment.repeat); });
    return out;
}

std::string describe(const Impairment& impairment) {
    std::vector<std::string> parts;
    for (const auto& [key, text] : settings_of(impairment)) parts.push_back(fmt::format("{} {}", key, text));
    return parts.empty() ? std::string{"none"} : fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace weft::config
