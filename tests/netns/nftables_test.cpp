// The table in the kernel: whose it is, and when it is gone.
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/namespace_fixture.h"
#include "vswitch/nat_table.h"

namespace weft {
namespace {

const NatRules rules{.node = "n",
                     .sources = {*Prefix::parse("10.10.0.0/24"), *Prefix::parse("fd00:10::/64")},
                     .devices = {"weft-out"}};

bool has(const std::string& pattern) {
    try {
        test::run("nft list ruleset | grep -q '" + pattern + "'");
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

TEST_CASE("a table is installed, replaced, and gone with its object") {
    {
        NatTable table;
        CHECK_FALSE(has("table inet weft_n"));
        table.install(rules);
        CHECK(has("ip saddr 10.10.0.0/24 oifname != \"weft-out\" masquerade"));
        CHECK(has("ip6 saddr fd00:10::/64 oifname != \"weft-out\" masquerade"));
        NatRules others = rules;
        others.sources = {*Prefix::parse("10.20.0.0/16")};
        table.install(others);
        CHECK(has("10.20.0.0/16"));
        CHECK_FALSE(has("10.10.0.0/24"));
        table.install(others);
        CHECK(has("10.20.0.0/16"));
    }
    CHECK_FALSE(has("weft_n"));
}

TEST_CASE("a table belongs to one, and stays what it is when another one asks for it") {
    NatTable table;
    table.install(rules);
    NatTable second;
    CHECK_THROWS_AS(second.install(rules), std::runtime_error);
    CHECK(has("ip saddr 10.10.0.0/24"));
    test::run("nft flush ruleset");
    CHECK(has("ip saddr 10.10.0.0/24"));
}

TEST_CASE("a table of this name that is nobody's is replaced, and others are left alone") {
    test::run("nft add table inet weft_n && nft add chain inet weft_n stale && nft add table inet other");
    {
        NatTable table;
        table.install(rules);
        CHECK_FALSE(has("stale"));
        CHECK(has("flags owner"));
    }
    CHECK_FALSE(has("weft_n"));
    CHECK(has("table inet other"));
    test::run("nft delete table inet other");
}

TEST_CASE("rules that are refused leave the installed ones in force") {
    NatTable table;
    table.install(rules);
    NatRules wrong = rules;
    wrong.devices = {"a*"};
    CHECK_THROWS_AS(table.install(wrong), std::runtime_error);
    CHECK(has("ip saddr 10.10.0.0/24"));
}

TEST_CASE("a program that is started does not keep the table") {
    {
        NatTable table;
        table.install(rules);
        test::run("sleep 1 >/dev/null 2>&1 </dev/null &");
    }
    CHECK_FALSE(has("weft_n"));
}

}  // namespace

std::optional<std::string> test::further_obstacle() {
    try {
        run("nft list ruleset >/dev/null 2>&1");
        return std::nullopt;
    } catch (const std::runtime_error&) {
        return "no nftables here (package nftables, modprobe nf_tables)";
    }
}

}  // namespace weft
