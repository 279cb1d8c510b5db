#include "vswitch/netlink.h"

#include <algorithm>
#include <optional>

#include <doctest/doctest.h>

#include "tests/support/namespace_fixture.h"
#include "vswitch/netns.h"

namespace weft {
namespace {

IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

template <class Work>
std::string failure(Work&& work) {
    try {
        work();
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "no failure";
}

struct Interface {
    Interface() {
        test::run("ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 mtu 1400 up");
    }

    ~Interface() { test::run("ip link del d0"); }

    Interface(const Interface&) = delete;
    Interface& operator=(const Interface&) = delete;

    Netlink netlink;
};

TEST_CASE_FIXTURE(Interface, "a route leads to its interface, is marked as weft's and can be removed") {
    for (const char* to : {"10.9.0.0/16", "2001:db8:9::/48"}) {
        CAPTURE(to);
        const auto inside = prefix(to).address;
        CHECK_FALSE(netlink.route_mtu(inside));
        CHECK(netlink.add_route(prefix(to), "d0"));
        CHECK(netlink.route_mtu(inside) == std::uint16_t{1400});
        test::run(std::string{"ip route show "} + to + " proto 87 | grep -q . || ip -6 route show " + to +
                  " proto 87 | grep -q .");
        CHECK_FALSE(netlink.add_route(prefix(to), "d0"));
        netlink.remove_route(prefix(to), "d0");
        CHECK_FALSE(netlink.route_mtu(inside));
        CHECK(failure([&] {
                  netlink.remove_route(prefix(to), "d0");
              }).starts_with("cannot remove the route to "));
    }
}

TEST_CASE_FIXTURE(Interface, "whether the namespace forwards is told for IPv4 and IPv6") {
    for (const bool v6 : {false, true}) {
        CAPTURE(v6);
        const std::string file =
            v6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward";
        test::run("echo 0 > " + file);
        CHECK_FALSE(netlink.forwards(v6));
        test::run("echo 1 > " + file);
        CHECK(netlink.forwards(v6));
        test::run("echo 0 > " + file);
    }
}

TEST_CASE_FIXTURE(Interface, "the MTU of a route is its own, or its link's") {
    test::run("ip addr add 10.8.0.1/24 dev d0 && ip route add 10.9.0.0/16 via 10.8.0.2 mtu 1300");
    CHECK(netlink.route_mtu(ip("10.8.0.7")) == std::uint16_t{1400});
    CHECK(netlink.route_mtu(ip("10.9.1.1")) == std::uint16_t{1300});
    CHECK(netlink.route_mtu(ip("127.0.0.1")) == std::uint16_t{65535});
    CHECK_FALSE(netlink.route_mtu(ip("10.10.0.1")));
}

TEST_CASE_FIXTURE(Interface, "the interfaces of default routes and of single destinations are known") {
    CHECK(netlink.default_route_interfaces().empty());
    CHECK_FALSE(netlink.route_interface(ip("10.9.1.1")));
    test::run("ip addr add 10.8.0.1/24 dev d0 && ip addr add 10.7.0.1/24 dev d1");
    test::run("ip route add 10.9.0.0/16 via 10.8.0.2");
    const int d0 = netlink.link("d0").value().index;
    const int d1 = netlink.link("d1").value().index;
    CHECK(netlink.name(d0) == "d0");
    CHECK(netlink.route_interface(ip("10.9.1.1")) == d0);
    CHECK(netlink.route_interface(ip("10.7.0.9")) == d1);
    CHECK(netlink.default_route_interfaces().empty());
    test::run("ip route add blackhole default metric 500 && ip route add default via 10.7.0.2 table 100");
    CHECK(netlink.default_route_interfaces().empty());
    test::run("ip route add default via 10.8.0.2 && ip route add default via 10.8.0.3 metric 10");
    CHECK(netlink.default_route_interfaces() == std::set{d0});
    test::run("ip -6 route add default dev d1");
    CHECK(netlink.default_route_interfaces() == std::set{d0, d1});
    test::run("ip -6 route del default && ip route del default && ip route del default");
    test::run("ip route add default nexthop via 10.8.0.2 nexthop via 10.7.0.2");
    CHECK(netlink.default_route_interfaces() == std::set{d0, d1});
    CHECK(netlink.route_mtu(ip("10.8.0.7")) == std::uint16_t{1400});
    test::run("ip route flush table 100 && ip route del blackhole default");
}

TEST_CASE_FIXTURE(Interface,
                  "the way to a destination is a device and the address that the kernel sends from") {
    test::run(
        "ip addr add 10.8.0.1/24 dev d0 && ip addr add 10.8.0.9/24 dev d0 &&"
        " ip addr add 2001:db8:8::1/64 dev d0 nodad && ip route add 10.9.0.0/16 via 10.8.0.2 &&"
        " ip route add 10.11.0.0/16 via 10.8.0.2 src 10.8.0.9 && ip route add unreachable 10.12.0.0/16");
    const int d0 = netlink.link("d0").value().index;
    CHECK(netlink.way_to(ip("10.8.0.7")) == Netlink::Way{d0, ip("10.8.0.1")});
    CHECK(netlink.way_to(ip("10.9.1.1")) == Netlink::Way{d0, ip("10.8.0.1")});
    CHECK(netlink.way_to(ip("10.11.1.1")) == Netlink::Way{d0, ip("10.8.0.9")});
    CHECK(netlink.way_to(ip("2001:db8:8::7")) == Netlink::Way{d0, ip("2001:db8:8::1")});
    CHECK_FALSE(netlink.way_to(ip("10.10.0.1")));
    CHECK_FALSE(netlink.way_to(ip("10.12.0.1")));
}

TEST_CASE_FIXTURE(Interface, "of several ways at a time it is one, always the same") {
    test::run(
        "ip link add e0 type veth peer name e1 && ip link set e1 up && ip link set e0 up &&"
        " ip addr add 10.8.0.1/24 dev d0 && ip addr add 10.18.0.1/24 dev e0");
    test::run("ip route add 10.9.0.0/16 nexthop via 10.8.0.2 nexthop via 10.18.0.2");
    const Netlink::Way by_d0{netlink.link("d0").value().index, ip("10.8.0.1")};
    const Netlink::Way by_e0{netlink.link("e0").value().index, ip("10.18.0.1")};
    const auto way = netlink.way_to(ip("10.9.1.1"));
    CHECK((way == by_d0 || way == by_e0));
    for (int i = 0; i < 20; ++i) CHECK(netlink.way_to(ip("10.9.1.1")) == way);
    test::run("ip route replace 10.9.0.0/16 via 10.18.0.2");
    CHECK(netlink.way_to(ip("10.9.1.1")) == by_e0);
    test::run("ip link del e0");
}

TEST_CASE_FIXTURE(Interface, "an address is added once and its owner is known") {
    CHECK_FALSE(netlink.address_owner(ip("10.8.0.1")));
    netlink.add_address("d0", prefix("10.8.0.1/24"));
    netlink.add_address("d0", prefix("2001:db8:8::1/64"));
    CHECK(netlink.address_owner(ip("10.8.0.1")) == "d0");
    CHECK(netlink.address_owner(ip("2001:db8:8::1")) == "d0");
    CHECK_FALSE(netlink.address_owner(ip("10.8.0.2")));
    CHECK(failure([&] {
              netlink.add_address("d0", prefix("10.8.0.1/24"));
          }).starts_with("cannot add the address 10.8.0.1/24 to d0: "));
    CHECK(failure([&] {
              netlink.add_address("d0", prefix("2001:db8:8::1/64"));
          }).starts_with("cannot add the address "));
}

TEST_CASE_FIXTURE(Interface, "a link is described and changed") {
    netlink.set_mtu("d0", 1234);
    netlink.set_mac("d0", *MacAddress::parse("02:00:00:00:00:01"));
    netlink.set_txqueuelen("d0", 9);
    const auto link = netlink.link("d0");
    REQUIRE(link);
    CHECK(link->mtu == 1234);
    CHECK(link->mac == *MacAddress::parse("02:00:00:00:00:01"));
    CHECK(link->up);
    test::run("ip link set d0 down");
    CHECK_FALSE(netlink.link("d0")->up);
    netlink.set_up("d0");
    CHECK(netlink.link("d0")->up);
}

TEST_CASE("a veth pair has an end here and one in another namespace, and goes with either") {
    const test::NetworkNamespace other{"netlink-veth"};
    Netlink netlink;
    netlink.add_veth({.here = "here0",
                      .there = "there0",
                      .namespace_there = open_namespace(other.name()).get(),
                      .mtu = 1400});
    other.run("ip link show there0 | grep -q 'mtu 1400'");
    netlink.set_silent("here0");
    netlink.set_alias("here0", "weft n port p");
    netlink.set_up("here0");
    other.run("ip link set there0 up");
    CHECK(netlink.link("here0")->up);
    CHECK(netlink.link("here0")->mtu == 1400);
    test::run("ip link show here0 | grep -q 'alias weft n port p'");
    test::run("! ip -6 address show dev here0 | grep -q inet6");
    CHECK(netlink.remove_veth("here0"));
    CHECK_FALSE(netlink.remove_veth("here0"));
    other.run("! ip link show there0 2>/dev/null");
}

TEST_CASE("what is no veth is not removed as one") {
    test::run("ip link add name br0 type bridge");
    Netlink netlink;
    CHECK_FALSE(netlink.remove_veth("br0"));
    CHECK(netlink.link("br0"));
    test::run("ip link del br0");
}

TEST_CASE("what is redirected from one interface to another arrives there, and nothing stays") {
    const test::NetworkNamespace left{"netlink-left"};
    const test::NetworkNamespace right{"netlink-right"};
    Netlink netlink;
    netlink.add_veth({.here = "r0", .there = "e0", .namespace_there = open_namespace(left.name()).get()});
    netlink.add_veth({.here = "r1", .there = "e0", .namespace_there = open_namespace(right.name()).get()});
    const int first = netlink.link("r0").value().index;
    const int second = netlink.link("r1").value().index;
    try {
        netlink.redirect(first, second);
    } catch (const std::runtime_error& error) {
        MESSAGE("this kernel lacks clsact, u32 or mirred: ", error.what());
        netlink.remove_veth("r0");
        netlink.remove_veth("r1");
        return;
    }
    netlink.redirect(second, first);
    netlink.set_up("r0");
    netlink.set_up("r1");
    left.run("ip addr add 10.7.0.1/24 dev e0 && ip link set e0 up");
    right.run("ip addr add 10.7.0.2/24 dev e0 && ip link set e0 up");
    left.run("ping -n -q -c 3 -i 0.1 -W 1 10.7.0.2 >/dev/null");
    CHECK(failure([&] {
              netlink.redirect(first, second);
          }).starts_with("cannot redirect what arrives at an interface (tc clsact, u32, mirred): "));
    netlink.clear_redirects(first);
    netlink.clear_redirects(first);
    netlink.redirect(first, second);
    left.run("ping -n -q -c 3 -i 0.1 -W 1 10.7.0.2 >/dev/null");
    netlink.remove_veth("r0");
    netlink.remove_veth("r1");
}

TEST_CASE_FIXTURE(Interface, "a route through a gateway is set once, with what it asks for, and listed") {
    test::run("ip addr add 10.8.0.5/24 dev d0 && ip addr add 2001:db8:8::5/64 dev d0 nodad");
    CHECK(netlink.add_route({.to = prefix("0.0.0.0/0"), .via = ip("10.8.0.1")}, "d0"));
    CHECK_FALSE(netlink.add_route({.to = prefix("0.0.0.0/0"), .via = ip("10.8.0.1")}, "d0"));
    CHECK(netlink.add_route({.to = prefix("::/0"), .via = ip("2001:db8:8::1")}, "d0"));
    CHECK_FALSE(netlink.add_route({.to = prefix("::/0"), .via = ip("2001:db8:8::1")}, "d0"));
    CHECK(netlink.add_route({.to = prefix("10.9.0.0/16"), .via = ip("192.0.2.1"), .via_is_on_link = true},
                            "d0"));
    CHECK(netlink.add_route({.to = prefix("10.10.0.0/16"),
                             .via = ip("10.8.0.1"),
                             .mtu = 1300,
                             .advertised_mss = 1200,
                             .priority = 7,
                             .table = 77},
                            "d0"));
    CHECK(netlink.add_route({.to = prefix("10.11.0.0/16")}, "d0"));
    test::run("ip route show default | grep -q 'via 10.8.0.1 dev d0 proto 87'");
    test::run("ip -6 route show default | grep -q 'via 2001:db8:8::1 dev d0 proto 87'");
    test::run("ip route show 10.9.0.0/16 | grep -q 'via 192.0.2.1 dev d0 proto 87 onlink'");
    test::run("ip route show table 77 | grep -q '10.10.0.0/16 via 10.8.0.1 .*metric 7 mtu 1300 advmss 1200'");
    test::run("ip route show 10.11.0.0/16 | grep -q 'dev d0 proto 87 scope link'");

    const auto listed = netlink.routes("d0");
    const auto has = [&](const char* to, std::optional<IpAddress> via) {
        return std::ranges::any_of(
            listed, [&](const auto& route) { return route.to == prefix(to) && route.via == via; });
    };
    CHECK(has("0.0.0.0/0", ip("10.8.0.1")));
    CHECK(has("::/0", ip("2001:db8:8::1")));
    CHECK(has("10.9.0.0/16", ip("192.0.2.1")));
    CHECK(has("10.10.0.0/16", ip("10.8.0.1")));
    CHECK(has("10.11.0.0/16", std::nullopt));
    CHECK(has("10.8.0.0/24", std::nullopt));
    CHECK_FALSE(has("10.8.0.5/32", std::nullopt));
    CHECK(netlink.routes("d1").size() < listed.size());
    CHECK(failure([&] {
              netlink.add_route({.to = prefix("10.12.0.0/16"), .via = ip("192.0.2.9")}, "d0");
          }).starts_with("cannot add the route to 10.12.0.0/16 through d0 via 192.0.2.9: "));
}

TEST_CASE_FIXTURE(Interface, "the addresses of an interface are listed with their lengths, and no other's") {
    test::run(
        "ip addr add 10.8.0.5/24 dev d0 && ip addr add 10.8.1.5/32 dev d0 && ip addr add 10.7.0.1/24 dev d1");
    test::run("ip addr add 2001:db8:8::5/64 dev d0 nodad");
    const auto listed = netlink.addresses("d0");
    for (const char* address : {"10.8.0.5/24", "10.8.1.5/32", "2001:db8:8::5/64"}) {
        CAPTURE(address);
        CHECK(std::ranges::count(listed, prefix(address)) == 1);
    }
    CHECK(std::ranges::count(listed, prefix("10.7.0.1/24")) == 0);
    CHECK(failure([&] { (void)netlink.addresses("nothing0"); }) == "no such interface: nothing0");
}

TEST_CASE("an interface that does not exist is nothing to look at and an error to change") {
    Netlink netlink;
    CHECK_FALSE(netlink.link("nothing0"));
    CHECK_FALSE(netlink.name(9999));
    CHECK(failure([&] { netlink.set_up("nothing0"); }) == "no such interface: nothing0");
    CHECK(failure([&] { netlink.add_route(prefix("10.0.0.0/8"), "nothing0"); }) ==
          "no such interface: nothing0");
}

}  // namespace
}  // namespace weft
