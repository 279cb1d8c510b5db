#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "lab/top.h"

using namespace weft::lab;
using nlohmann::json;

namespace {

json wire(unsigned packets, unsigned bytes, unsigned lost, bool up = true) {
    return {{"up", up},
            {"delivered_packets", packets},
            {"delivered_bytes", bytes},
            {"lost", lost},
            {"queued_packets", 0},
            {"queued_bytes", 0},
            {"impairment", "none"}};
}

json link(const char* name, const json& there, const json& back) {
    return {{"name", name},
            {"ends", json::array({{{"node", "a"}}, {{"node", "b"}}})},
            {"there", there},
            {"back", back}};
}

json report(double uptime_s, const json& links) {
    return {{"lab", "x"}, {"uptime_s", uptime_s}, {"links", links}};
}

}  // namespace

TEST_CASE("the rates are what has passed between two reports, the busiest direction first") {
    const json before = report(10, json::array({link("l", wire(100, 1000, 0), wire(5, 500, 7))}));
    const json now = report(12, json::array({link("l", wire(120, 3000, 0), wire(1005, 250'500, 11, false))}));
    CHECK(render_top(before, now, 0, false) ==
          "lab x, up for 12s\n"
          "LINK  DIRECTION  STATE        RATE  PACKETS/S  LOST/S  LOST  QUEUE  IMPAIRMENT\n"
          "l     b -> a     down   1.0 Mbit/s        500       2    11      0  -\n"
          "l     a -> b     up     8.0 kbit/s         10       0     0      0  -\n");
}

TEST_CASE("no more lines than there is room for") {
    const json links{link("l", wire(0, 0, 0), wire(0, 0, 0)), link("m", wire(9, 900, 0), wire(0, 0, 0))};
    const std::string text = render_top(report(1, json::array()), report(2, links), 1, false);
    CHECK(text.find("\nm     a -> b") != std::string::npos);
    CHECK(text.find("\nl ") == std::string::npos);
}
