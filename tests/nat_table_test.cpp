// The rules as text. That the kernel takes them, and what they do, is tests/netns/masquerade.sh.
#include "vswitch/nat_table.h"

#include <stdexcept>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::prefix;

namespace {

// What the transaction does before it makes the table.
std::string made(const std::string& table) {
    return "table inet " + table + "\ndelete table inet " + table + "\ntable inet " + table +
           " {\nflags owner\nchain outward {\ntype nat hook postrouting priority srcnat; policy accept;\n";
}

}  // namespace

TEST_CASE("networks of both families are masqueraded unless they leave by a device of weft's") {
    CHECK(to_ruleset({.node = "site-a",
                      .sources = {prefix("10.10.0.1/24"), prefix("fd00:10::1/64"), prefix("10.20.0.0/16")},
                      .devices = {"weft-out", "lan0"}}) ==
          made("weft_site-a") +
              R"(ip saddr { 10.10.0.0/24, 10.20.0.0/16 } oifname != { "weft-out", "lan0" } masquerade
ip6 saddr { fd00:10::/64 } oifname != { "weft-out", "lan0" } masquerade
}
}
)");
}

TEST_CASE("a table that is installed is replaced in one transaction, without being added once more") {
    const NatRules rules{.node = "n", .sources = {prefix("10.0.0.0/8")}, .devices = {}};
    CHECK("table inet weft_n\n" + to_ruleset(rules, true) == to_ruleset(rules));
}

TEST_CASE("a family without a network has no rule") {
    CHECK(to_ruleset({.node = "n", .sources = {prefix("fd00:10::/64")}, .devices = {}}) ==
          made("weft_n") + "ip6 saddr { fd00:10::/64 } masquerade\n}\n}\n");
}

TEST_CASE(
    "a network within another one, or that is there twice, is written once, since a set refuses overlaps") {
    const std::string text = to_ruleset({.node = "n",
                                         .sources = {prefix("10.1.2.0/24"), prefix("10.1.0.0/16"),
                                                     prefix("10.1.0.0/16"), prefix("10.0.0.0/24")},
                                         .devices = {}});
    CHECK(text == made("weft_n") + "ip saddr { 10.0.0.0/24, 10.1.0.0/16 } masquerade\n}\n}\n");
}

TEST_CASE("a device whose name would mean something else in nftables is refused") {
    for (const char* name : {"lan*", "a\"}b", "a\\b"}) {
        CAPTURE(name);
        CHECK_THROWS_AS(to_ruleset({.node = "n", .sources = {prefix("10.0.0.0/8")}, .devices = {name}}),
                        std::runtime_error);
    }
}

TEST_CASE("each node's table has a name of its own, in which nothing can end the identifier") {
    CHECK(nat_table_name("site-a") == "weft_site-a");
    CHECK(nat_table_name("site_a") == "weft_site_a");
    CHECK(nat_table_name("Site.A-1") == "weft_Site.A-1");
    CHECK(nat_table_name("a b;}\"") == "weft_a_b___");
}
