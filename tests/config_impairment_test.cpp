// [port.impair], the texts of its values, and the files that it names.
#include <fstream>

#include "config/link_files.h"
#include "config/link_values.h"
#include "config/read_impairment.h"
#include "tests/support/config_mistake.h"

namespace weft::test {

using namespace config;
using namespace std::chrono_literals;

namespace {

std::expected<config::Config, config::Problems> parse_port(const std::string& impair,
                                                           const std::string& path = "/none/site.toml") {
    return parse(
        "[node]\nname = \"n\"\n[[bridge]]\nname = \"lan\"\n[[port]]\nname = \"a\"\ntype = \"tap\"\n"
        "bridge = \"lan\"\n" +
            impair,
        path);
}

PortLink link_of(const std::string& impair) {
    const auto config = parse_port(impair);
    if (!config) FAIL(config.error().front());
    REQUIRE(config->ports[0].impair.has_value());
    return *config->ports[0].impair;
}

std::vector<std::string> problems_of(const std::string& impair) {
    const auto config = parse_port(impair);
    REQUIRE_FALSE(config.has_value());
    std::vector<std::string> problems;
    for (const std::string& problem : config.error())
        problems.push_back(problem.substr(problem.find(':') + 1));
    return problems;
}

Impairment set(std::string_view key, std::string_view value) {
    Impairment impairment;
    const auto result = set_impairment(impairment, key, value);
    if (!result) FAIL(result.error().what);
    return impairment;
}

std::string refusal(std::string_view key, std::string_view value) {
    Impairment impairment;
    const auto result = set_impairment(impairment, key, value);
    REQUIRE_FALSE(result.has_value());
    CHECK(impairment == Impairment{});
    return result.error().what + ": " + result.error().cure;
}

}  // namespace

TEST_CASE("a port without [port.impair] has no link") {
    CHECK_FALSE(parse_port("")->ports[0].impair.has_value());
}

TEST_CASE("[port.impair] is for both directions, and each direction changes it") {
    const PortLink link = link_of(R"([port.impair]
delay = "10ms"
jitter = "1.5ms"
distribution = "normal"
delay_correlation = 0.25
reordering = true
loss = 0.01
loss_correlation = "50%"
corrupt = 1e-6
duplicate = "2%"
reorder = "3%"
rate = "10Mbit/s"
queue = 50
discipline = "fq-codel"
target = "10ms"
interval = "200ms"
mtu = 1400
seed = 7
[port.impair.in]
delay = "20ms"
[port.impair.out]
loss = "every 10"
queue = "64kB"
up = false
)");
    CHECK(link.seed == 7);
    CHECK(link.in.delay.mean == 20ms);
    CHECK(link.out.delay.mean == 10ms);
    CHECK(link.in.delay.jitter == 1500us);
    CHECK(link.in.delay.shape == DelayModel::Shape::normal);
    CHECK(link.in.delay.correlation == 0.25);
    CHECK(link.in.delay.reorders);
    CHECK(link.in.loss == LossModel{RandomLoss{0.01, 0.5}});
    CHECK(link.out.loss == LossModel{EveryNthLoss{10}});
    CHECK(link.in.bit_error_rate == doctest::Approx(1e-6));
    CHECK(link.in.duplicate == 0.02);
    CHECK(link.in.reorder == 0.03);
    CHECK(link.in.rate == 10'000'000U);
    CHECK(link.in.queue.packets == 50U);
    CHECK(link.out.queue.bytes == 64'000U);
    CHECK_FALSE(link.out.queue.packets.has_value());
    CHECK(link.in.queue.discipline == QueueModel::Discipline::fq_codel);
    CHECK(link.in.queue.target == 10ms);
    CHECK(link.in.queue.interval == 200ms);
    CHECK(link.in.mtu == 1400);
    CHECK(link.in.up);
    CHECK_FALSE(link.out.up);
}

TEST_CASE("an entry of a schedule changes what it says, and nothing else") {
    const PortLink link = link_of(R"([port.impair]
delay = "10ms"
schedule = [{ at = "1s", loss = "5%" }, { at = "1.5s", delay = "20ms" }, { at = "2s", up = false }]
repeat = "3s"
[port.impair.in]
mtu = 1000
)");
    CHECK(link.in.repeat == 3s);
    REQUIRE(link.in.schedule.size() == 3);
    CHECK(link.in.schedule[1].at == 1500ms);
    CHECK(link.in.schedule[1].then->delay.mean == 20ms);
    CHECK(link.in.schedule[1].then->loss == LossModel{RandomLoss{0.05, 0}});
    CHECK(link.in.schedule[2].then->mtu == 1000);
    CHECK_FALSE(link.in.schedule[2].then->up);
    CHECK(link.out.schedule[2].then->mtu == std::nullopt);
}

TEST_CASE("what is wrong in [port.impair] is told once, where it stands") {
    CHECK(problems_of(
              "[port.impair]\ndelay = \"10\"\nloss = 1\n[port.impair.in]\nrate = \"fast\"\nlos = \"1%\"\n") ==
          std::vector<std::string>{
              "10:9: '10' is not a duration: write a number and its unit, ns, us, ms, s, m or h, as in "
              "\"10ms\"",
              "11:8: 1 could be 1 in 100 or all: write \"1%\" or \"100%\"",
              "13:8: 'fast' is not a rate: write bits a second, bit, kbit, mbit or gbit, as in \"10mbit\"",
              "14:1: unknown key 'los' in the impairment of a link: did you mean 'loss'?"});
    CHECK(problems_of(
              "[port.impair]\nschedule = [{ at = \"2s\", up = false }, { at = \"1s\" }, { up = true }]\n"
              "repeat = \"1s\"\n")
              .size() == 3);
    CHECK(problems_of("[port.impair]\nrepeat = \"1s\"\n").size() == 1);
    CHECK(problems_of("[port.impair]\nloss_correlation = \"10%\"\n").size() == 1);
    CHECK(problems_of("[port.impair]\ntrace = \"none.csv\"\n").size() == 1);
}

TEST_CASE("an impaired port is for one worker") {
    const auto config = parse(
        "[node]\nname = \"n\"\nworkers = 2\n[[bridge]]\nname = \"lan\"\n[[port]]\nname = \"a\"\ntype = "
        "\"tap\"\nbridge = \"lan\"\nimpair = { delay = \"1ms\" }\n",
        "/none/site.toml");
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().front().find("cannot be shared by several workers") != std::string::npos);
}

TEST_CASE("values are read as people write them") {
    CHECK(set("delay", "250us").delay.mean == 250us);
    CHECK(set("delay", "0").delay.mean == 0ms);
    CHECK(set("delay", "0.5 s").delay.mean == 500ms);
    CHECK(set("rate", "512kbit").rate == 512'000U);
    CHECK(set("rate", "1.5 Gbit").rate == 1'500'000'000U);
    CHECK(set("queue", "100 packets").queue.packets == 100U);
    CHECK(set("queue", "64KiB").queue.bytes == 65536U);
    CHECK(set("loss", "100%").loss == LossModel{RandomLoss{1, 0}});
    CHECK(set("loss", "gilbert-elliott 1% 25%").loss == LossModel{GilbertElliottLoss{0.01, 0.25, 0, 1}});
    CHECK(set("loss", "Gilbert-Elliott 0.01 0.25 0 1").loss ==
          LossModel{GilbertElliottLoss{0.01, 0.25, 0, 1}});
    CHECK(set("loss", "4-state 1% 50% 10% 30% 0.1%").loss ==
          LossModel{FourStateLoss{0.01, 0.5, 0.1, 0.3, 0.001}});
    CHECK(set("loss", "0").loss == LossModel{NoLoss{}});
    CHECK(set("corrupt", "1e-6").bit_error_rate == 1e-6);
    CHECK_FALSE(set("up", "false").up);
}

TEST_CASE("values that mean nothing are refused, and change nothing") {
    for (const auto& [key, value] : std::initializer_list<std::pair<const char*, const char*>>{
             {"delay", "-1ms"},
             {"delay", "2h"},
             {"delay", "nan"},
             {"delay", "1e300s"},
             {"delay", ""},
             {"rate", "0mbit"},
             {"rate", "10"},
             {"rate", "2000gbit"},
             {"loss", "101%"},
             {"loss", "-1%"},
             {"loss", ""},
             {"loss", "every 0"},
             {"loss", "every"},
             {"loss", "every 1.5"},
             {"loss", "gilbert-elliott 1%"},
             {"loss", "gilbert-elliott 1% 2% 3% 4% 5%"},
             {"loss", "4-state 90% 10% 0% 0% 20%"},
             {"loss", "many"},
             {"corrupt", "0.6"},
             {"queue", "0"},
             {"queue", "1.5 packets"},
             {"queue",
              "64"
              "kilo"},
             {"mtu", "60"},
             {"mtu", "1400.5"},
             {"mtu", "1e9"},
             {"up", "yes"},
             {"discipline", "red"},
             {"distribution", "norml"},
             {"trace", "/none"},
             {"schedule", "x"},
             {"speed", "1"}}) {
        CAPTURE(key);
        CAPTURE(value);
        CHECK_FALSE(refusal(key, value).empty());
    }
    CHECK(refusal("dely", "1ms") == "a link has no 'dely': did you mean 'delay'?");
}

TEST_CASE("what a link is set to is told in the words that set it") {
    Impairment impairment;
    const std::vector<std::pair<std::string, std::string>> settings{{"up", "false"},
                                                                    {"delay", "10ms"},
                                                                    {"jitter", "1.5ms"},
                                                                    {"distribution", "pareto"},
                                                                    {"delay_correlation", "25%"},
                                                                    {"reordering", "true"},
                                                                    {"loss", "0.1%"},
                                                                    {"loss_correlation", "30%"},
                                                                    {"corrupt", "1e-06"},
                                                                    {"duplicate", "2%"},
                                                                    {"reorder", "7%"},
                                                                    {"rate", "512kbit"},
                                                                    {"queue", "64000B"},
                                                                    {"discipline", "codel"},
                                                                    {"target", "10ms"},
                                                                    {"interval", "90s"},
                                                                    {"mtu", "1400"}};
    for (const auto& [key, value] : settings) REQUIRE(set_impairment(impairment, key, value).has_value());
    CHECK(settings_of(impairment) == settings);
    CHECK(describe(impairment).starts_with("up false, delay 10ms, jitter 1.5ms, "));
    CHECK(describe(Impairment{}) == "none");
    for (const char* loss : {"every 7", "gilbert-elliott 1% 25% 0% 100%", "4-state 1% 50% 10% 30% 0.1%"})
        CHECK(to_text(set("loss", loss).loss) == loss);
}

TEST_CASE("another loss keeps the correlation, and 'none' takes a limit away") {
    Impairment impairment = set("loss", "1%");
    REQUIRE(set_impairment(impairment, "loss_correlation", "40%"));
    REQUIRE(set_impairment(impairment, "loss", "2%"));
    CHECK(impairment.loss == LossModel{RandomLoss{0.02, 0.4}});
    for (const char* key : {"rate", "mtu"}) {
        REQUIRE(set_impairment(impairment, key, key[0] == 'r' ? "1mbit" : "1000"));
        REQUIRE(set_impairment(impairment, key, "none"));
    }
    CHECK_FALSE(impairment.rate.has_value());
    CHECK_FALSE(impairment.mtu.has_value());
}

TEST_CASE("Mahimahi's traces are told from CSV by their first line") {
    const auto trace = parse_trace("# a comment\n0\n2\n2\n\n10\n", "t");
    REQUIRE(trace.has_value());
    CHECK(trace->opportunities == std::vector<Duration>{0ms, 2ms, 2ms, 10ms});
    CHECK(trace->length == 10ms);
}

TEST_CASE("a CSV has its columns in any order, with units or without") {
    const auto trace = parse_trace("time,rate,delay\n0,5mbit,10\n1.5s,,20ms\r\n2,0,\n", "t");
    REQUIRE(trace.has_value());
    REQUIRE(trace->steps.size() == 3);
    CHECK(trace->steps[0].rate == 5'000'000U);
    CHECK(trace->steps[0].delay == Duration{10ms});
    CHECK(trace->steps[1].at == 1500ms);
    CHECK(trace->steps[1].delay == Duration{20ms});
    CHECK_FALSE(trace->steps[1].rate.has_value());
    CHECK(trace->steps[2].rate == 0U);
    CHECK(trace->length == 2500ms);
    const auto plain = parse_trace("0,10,0.01,1000\n", "t");
    REQUIRE(plain.has_value());
    CHECK(plain->steps[0].loss == 0.01);
    CHECK(plain->length == 0ms);
}

TEST_CASE("what is wrong in a trace is told with its line") {
    const auto what = [](std::string_view text) {
        const auto trace = parse_trace(text, "t.csv");
        REQUIRE_FALSE(trace.has_value());
        return trace.error().what;
    };
    CHECK(what("1\n3\n2\n") == "t.csv:3: the time is before that of the line above");
    CHECK(what("1\nx\n") == "t.csv:2: 'x' is not a number of milliseconds");
    CHECK(what("99999999999999\n").starts_with("t.csv:1: "));
    CHECK(what("0\n") == "t.csv: the trace has no length");
    CHECK(what("") == "t.csv: the trace is empty");
    CHECK(what("time,delay\n") == "t.csv: the trace is empty");
    CHECK(what("delay,loss\n1,2\n") == "t.csv:1: there is not one column 'time'");
    CHECK(what("0,1,2\n").starts_with("t.csv:1: '2' is not a probability"));
    CHECK(what("0,1,0.5,1,7\n").starts_with("t.csv:1: 5 fields"));
    CHECK(what("0,1\n0,2\n").starts_with("t.csv:2: the time is not after"));
    CHECK(what("-1,1\n").starts_with("t.csv:1: "));
    CHECK(what("nan,1\n").starts_with("t.csv:1: "));
}

TEST_CASE("every truncation and mutation of a trace is read or refused") {
    for (const std::string good : {"time,delay,loss,rate\n0,10ms,1%,5mbit\n1,20ms,2%,6mbit\n", "1\n2\n3\n"}) {
        // NOLINTBEGIN(bugprone-unused-return-value): that it returns is all
        for (std::size_t size = 0; size <= good.size(); ++size) (void)parse_trace(good.substr(0, size), "t");
        for (std::size_t i = 0; i < good.size(); ++i) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string mutated = good;
                mutated[i] = static_cast<char>(byte);
                const auto trace = parse_trace(mutated, "t");
                if (trace && trace->opportunities.empty()) CHECK_FALSE(trace->steps.empty());
                (void)parse_delay_table(mutated, "t");
            }
        }
        // NOLINTEND(bugprone-unused-return-value)
    }
}

TEST_CASE("a distribution loses its mean and deviation") {
    const auto table = parse_delay_table("30 10\n20, 20 # no comment\n", "d");
    CHECK_FALSE(table.has_value());
    const auto samples = parse_delay_table("# ms\n30 10\n20, 20\n", "d");
    REQUIRE(samples.has_value());
    const float step = std::sqrt(2.0F);
    REQUIRE(samples->quantiles.size() == 4);
    CHECK(samples->quantiles[0] == doctest::Approx(-step));
    CHECK(samples->quantiles[1] == doctest::Approx(0));
    CHECK(samples->quantiles[3] == doctest::Approx(step));
    CHECK_FALSE(parse_delay_table("5 5 5\n", "d").has_value());
    CHECK_FALSE(parse_delay_table("", "d").has_value());
}

TEST_CASE("files are relative to the configuration") {
    const KeyFolder keys;
    std::ofstream(keys.path() + "/trace") << "1\n2\n";
    std::ofstream(keys.path() + "/samples") << "1 2 3\n";
    const auto config =
        parse_port("[port.impair]\ntrace = \"trace\"\njitter = \"1ms\"\ndistribution = \"samples\"\n",
                   keys.path() + "/site.toml");
    REQUIRE(config.has_value());
    const PortLink& link = *config->ports[0].impair;
    CHECK(link.in.trace->opportunities.size() == 2);
    CHECK(link.in.trace->file == "trace");
    CHECK(link.in.delay.table->quantiles.size() == 3);
}

}  // namespace weft::test
