#include "vswitch/emulation/lead_time.h"

#include <doctest/doctest.h>

using namespace weft;
using namespace std::chrono_literals;

TEST_CASE("the lead becomes the median of how late the process woke, whatever the longest were") {
    LeadTime time;
    const Instant set{1000s};
    CHECK(time.lead() == 0us);
    for (int i = 0; i < 1000; ++i) time.woke(set, set + (i % 4 == 0 ? 300us : i % 2 == 0 ? 30us : 40us));
    CHECK(time.lead() >= 30us);
    CHECK(time.lead() <= 42us);
    for (int i = 0; i < 1000; ++i) time.woke(set, set + 5ms);  // it was busy
    CHECK(time.lead() <= 42us);
    for (int i = 0; i < 1000; ++i) time.woke(set, set);
    CHECK(time.lead() == 0us);
    for (int i = 0; i < 1000; ++i) time.woke(set, set + 400us);
    CHECK(time.lead() == 100us);
}
