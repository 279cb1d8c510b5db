// Pictures of labs.
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "lab/graph/graph.h"
#include "lab/graph/graph_labels.h"
#include "lab/graph/graph_layout.h"
#include "lab/graph/graph_live.h"
#include "lab/graph/graph_text.h"
#include "tests/support/lab_file.h"

namespace weft::test {

using namespace lab;

namespace {

constexpr std::string_view dumb_bell = R"(
[[host]]
name = "h"
count = 4
[[switch]]
name = "s"
count = 2
[[link]]
ends = ["h{i}", "s{i%2+1}"]
count = 4
[[link]]
ends = ["s1", "s2"]
name = "bottleneck"
impair = { rate = "10mbit" }
there = { delay = "20ms" }
)";

std::size_t count(const std::string& text, std::string_view what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_CASE("a picture shows each node with its address and each link with what it does") {
    const Topology topology = read_lab(dumb_bell);
    const std::string dot = to_dot(topology);
    CHECK(dot.starts_with("graph \"lab\" {\n"));
    CHECK(dot.find("\"h1\" [label=\"h1\\n10.0.0.1/24\", shape=box, style=rounded];") != std::string::npos);
    CHECK(dot.find("\"s1\" -- \"s2\" [label=\"rate 10mbit\\nthere: delay 20ms\"") != std::string::npos);
    CHECK(count(dot, " -- ") == 5);
    const std::string svg = to_svg(topology);
    CHECK(svg.starts_with("<svg "));
    CHECK(svg.ends_with("</svg>\n"));
    CHECK(count(svg, "<path ") == 5);
    CHECK(count(svg, "class=\"node host\"") == 4);
    CHECK(count(svg, "class=\"node switch\"") == 2);
    CHECK(count(svg, "class=\"link impaired\"") == 1);
    CHECK(svg.find(">10.0.0.4/24<") != std::string::npos);
}

TEST_CASE("figures are shown at their links") {
    const Topology topology = read_lab(dumb_bell);
    CHECK(to_svg(topology).find("Mbit/s") == std::string::npos);
    CHECK(to_svg(topology, {{4, "9.4 Mbit/s"}}).find("class=\"on-link figure\"") != std::string::npos);
    CHECK(to_dot(topology, {{4, "9.4 Mbit/s"}}).find("\\n9.4 Mbit/s\"") != std::string::npos);
}

TEST_CASE("the same lab gives the same picture") {
    CHECK(to_svg(read_lab(dumb_bell)) == to_svg(read_lab(dumb_bell)));
    CHECK(to_dot(read_lab(dumb_bell)) == to_dot(read_lab(dumb_bell)));
}

TEST_CASE("no text leaves its quotes") {
    Topology topology = read_lab(dumb_bell);
    topology.name = "a\"<b>&\\";
    CHECK(to_dot(topology).starts_with("graph \"a\\\"<b>&\\\\\" {"));
    CHECK(to_svg(topology).find("<title>a&quot;&lt;b&gt;&amp;\\</title>") != std::string::npos);
}

TEST_CASE("no node stands in another's cell, and all are in the picture") {
    const Topology topology = read_lab(R"(
[[switch]]
name = "s"
count = 20
[[host]]
name = "h"
count = 200
[[host]]
name = "alone"
[[router]]
name = "r"
count = 5
[[link]]
ends = ["s{i}", "s{i/2}"]
count = 19
first = 2
[[link]]
ends = ["h{i}", "s{(i-1)/10+1}"]
count = 200
[[link]]
ends = ["r{i}", "r{i%5+1}"]
count = 5
)");
    const Layout layout = lay_out(topology, 100, 80);
    REQUIRE(layout.nodes.size() == topology.nodes.size());
    for (std::size_t a = 0; a < layout.nodes.size(); ++a) {
        CHECK(layout.nodes[a].x >= 50 - 1e-6);
        CHECK(layout.nodes[a].x <= layout.width - 50 + 1e-6);
        CHECK(layout.nodes[a].y >= 40 - 1e-6);
        CHECK(layout.nodes[a].y <= layout.height - 40 + 1e-6);
        for (std::size_t b = 0; b < a; ++b) {
            const bool apart = std::abs(layout.nodes[a].x - layout.nodes[b].x) > 100 - 1e-6 ||
                               std::abs(layout.nodes[a].y - layout.nodes[b].y) > 40 - 1e-6;
            CAPTURE(topology.nodes[a].name);
            CAPTURE(topology.nodes[b].name);
            CHECK(apart);
        }
    }
}

TEST_CASE("the spines of a leaf-spine stand over its leaves, and those over their hosts") {
    const Topology topology = read_lab(R"(
[[host]]
name = "h"
count = 4
[[router]]
name = "leaf"
count = 4
[[router]]
name = "spine"
count = 2
[[link]]
ends = ["h{i}", "leaf{i}"]
count = 4
[[link]]
ends = ["leaf{i}", "spine{j}"]
count = [4, 2]
)");
    const Layout layout = lay_out(topology, 100, 100);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(layout.nodes[i].y == doctest::Approx(250));
        CHECK(layout.nodes[4 + i].y == doctest::Approx(150));
        CHECK(layout.nodes[i].x == doctest::Approx(layout.nodes[4 + i].x));
    }
    CHECK(layout.nodes[8].y == doctest::Approx(50));
    CHECK(layout.nodes[9].y == doctest::Approx(50));
}

TEST_CASE("what is above others stands over their middle") {
    const Layout layout = lay_out(read_lab(dumb_bell), 100, 100);
    for (const std::size_t s : {0U, 1U}) {  // h1 and h3 are at s2, h2 and h4 at s1
        const double middle = (layout.nodes[1 - s].x + layout.nodes[3 - s].x) / 2;
        CHECK(layout.nodes[4 + s].x == doctest::Approx(middle));
    }
}

TEST_CASE("a label takes the first place that is free, or the one where it covers least") {
    LabelPlacer placer;
    placer.take({.middle = {.x = 0, .y = 0}, .width = 100, .height = 40});
    const std::vector<Point> places{{.x = 10, .y = 10}, {.x = 0, .y = 35}, {.x = 0, .y = 60}};
    CHECK(placer.place(places, 80, 20).y == 35);
    CHECK(placer.place(places, 80, 20).y == 60);
    CHECK(placer.place(places, 80, 20).y == 10);  // all are covered alike
    CHECK(placer.place({{.x = 1000, .y = -1000}}, 250, 250).x == 1000);
    CHECK(placer.place({{.x = 1100, .y = -1100}, {.x = 1300, .y = -1000}}, 250, 250).x == 1300);
}

TEST_CASE("a link's lines are short, and say what both ways have in common once") {
    Link link;
    for (const Direction way : {Direction::there, Direction::back}) {
        Impairment& one = link.impairment[static_cast<std::size_t>(way)];
        one.delay.mean = std::chrono::milliseconds{280};
        one.loss = GilbertElliottLoss{.to_bad = 0.005, .to_good = 0.2, .loss_good = 0.01, .loss_bad = 0.5};
        one.rate = way == Direction::there ? 2'000'000 : 20'000'000;
    }
    CHECK(link_lines(link, 0, {{0, "1 Mbit/s"}}) ==
          std::vector<std::string>{"delay 280ms,", "loss gilbert-elliott", "0.5% 20% 1% 50%",
                                   "there: rate 2mbit", "back: rate 20mbit", "1 Mbit/s"});
    link.impairment[1] = {};
    CHECK(link_lines(link, 0, {}).back() == "back: none");
    link.impairment[0] = {};
    CHECK(link_lines(link, 0, {}).empty());
}

TEST_CASE("a running lab is drawn from its status, with what has passed since the one before") {
    using nlohmann::json;
    const auto wire = [](std::uint64_t bytes, std::uint64_t lost, json impair, bool up) {
        return json{{"delivered_bytes", bytes},
                    {"offered_packets", 100 + 2 * lost},
                    {"lost", lost},
                    {"impair", std::move(impair)},
                    {"up", up}};
    };
    const auto status = [&](double uptime, std::uint64_t bytes, std::uint64_t lost) {
        return json{{"lab", "x"},
                    {"uptime_s", uptime},
                    {"nodes", {{{"name", "a"}, {"kind", "host"}}, {{"name", "s"}, {"kind", "switch"}}}},
                    {"links",
                     {{{"name", "a--s"},
                       {"ends",
                        {{{"node", "a"}, {"interface", "eth0"}, {"addresses", {"10.0.0.1/24"}}},
                         {{"node", "s"}, {"interface", "a--s"}, {"addresses", json::array()}}}},
                       {"there", wire(bytes, lost, {{"delay", "10ms"}}, true)},
                       {"back", wire(0, 0, json::object(), false)}}}}};
    };
    const json before = status(10, 1000, 0);
    const json now = status(12, 251000, 50);
    const Topology topology = topology_of(now);
    REQUIRE(topology.links.size() == 1);
    CHECK(topology.links[0].impairment[0].delay.mean == std::chrono::milliseconds{10});
    CHECK_FALSE(topology.links[0].impairment[1].up);
    const LinkFigures figures = figures_of(before, now);
    REQUIRE(figures.size() == 1);
    CHECK(figures.at(0) == "\u2192 1.0 Mbit/s, 50 % lost");
    CHECK(figures_of(now, now).empty());
    CHECK(to_svg(topology, figures).find("class=\"link down\"") != std::string::npos);
    CHECK_THROWS(topology_of(json::object()));
}

TEST_CASE("an empty lab is an empty picture") {
    CHECK(to_svg(Topology{}).starts_with("<svg "));
    CHECK(lay_out(Topology{}, 10, 10).nodes.empty());
}

}  // namespace weft::test
