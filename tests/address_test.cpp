#include "vswitch/address.h"

#include <set>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "vswitch/mix.h"

using namespace weft;
using test::ip;
using test::mac;
using test::prefix;

namespace {

// Hashes `count` consecutive keys; how many of 1024 buckets stay empty, by the lowest ten bits. A random
// function leaves about 1024 / e^4 = 19 of them empty for 4096 keys.
template <class KeyAt>
int empty_buckets(KeyAt key_at) {
    std::set<std::size_t> used;
    for (unsigned i = 0; i < 4096; ++i) {
        const auto key = key_at(i);
        used.insert(std::hash<std::remove_const_t<decltype(key)>>{}(key) % 1024);
    }
    return 1024 - static_cast<int>(used.size());
}

}  // namespace

TEST_CASE("a MAC address is six pairs of hex digits between colons") {
    CHECK(MacAddress::parse("02:00:5e:10:AB:ff") == MacAddress{{0x02, 0x00, 0x5E, 0x10, 0xAB, 0xFF}});
    CHECK(mac("02:00:5e:10:AB:ff").to_string() == "02:00:5e:10:ab:ff");
    CHECK(mac("02:00:5e:10:AB:ff").to_uint64() == 0x02005E10ABFF);
    for (const std::string_view text :
         {"", "02:00:5e:10:ab", "02:00:5e:10:ab:ff:", "02-00-5e-10-ab-ff", "02:00:5e:10:ab:fg",
          "2:0:5e:10:ab:ff", " 2:00:5e:10:ab:ff", "02:00:5e:10:ab:+f", "02:00:5e:10:abcff", "02005e10abff"}) {
        CAPTURE(text);
        CHECK_FALSE(MacAddress::parse(text));
    }
}

TEST_CASE("a bridge can tell group and link-local MAC addresses") {
    CHECK(broadcast_mac.is_group());
    CHECK(mac("33:33:00:00:00:01").is_group());
    CHECK_FALSE(mac("02:00:00:00:00:01").is_group());
    CHECK(MacAddress{}.is_zero());
    CHECK(mac("01:80:c2:00:00:00").is_link_local());
    CHECK(mac("01:80:c2:00:00:0f").is_link_local());
    CHECK_FALSE(mac("01:80:c2:00:00:10").is_link_local());
    CHECK_FALSE(mac("01:80:c2:00:01:00").is_link_local());
}

TEST_CASE("IP addresses print as RFC 5952 recommends") {
    struct Row {
        std::string_view text;
        std::string_view canonical;
    };

    const Row rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // a single zero group is not shortened
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run is
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two
        {"::", "::"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(ip(row.text).to_string() == row.canonical);
        CHECK(ip(row.canonical) == ip(row.text));
    }
}

TEST_CASE("malformed IP addresses are refused") {
    using namespace std::string_view_literals;
    for (const std::string_view text :
         {""sv, "10.0.0"sv, "10.0.0.256"sv, "10.0.0.01"sv, "10.0.0.1 "sv, " 10.0.0.1"sv, "10.0.0.1\0x"sv,
          "0x0a.0.0.1"sv, "fe80::1%eth0"sv, "[::1]"sv, ":::"sv, "1::2::3"sv, "12345::"sv,
          "1:2:3:4:5:6:7:8:9"sv, "::1/64"sv, "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"sv}) {
        CAPTURE(text);
        CHECK_FALSE(IpAddress::parse(text));
    }
}

TEST_CASE("kinds of IP addresses") {
    CHECK(ip("127.9.9.9").is_loopback());
    CHECK(ip("::1").is_loopback());
    CHECK_FALSE(ip("::2").is_loopback());
    CHECK_FALSE(ip("100::1").is_loopback());
    CHECK(ip("224.0.0.1").is_multicast());
    CHECK(ip("239.255.255.255").is_multicast());
    CHECK_FALSE(ip("240.0.0.1").is_multicast());
    CHECK(ip("ff02::1").is_multicast());
    CHECK_FALSE(ip("fe80::1").is_multicast());
    CHECK(ip("169.254.0.1").is_link_local());
    CHECK(ip("febf::1").is_link_local());
    CHECK_FALSE(ip("fec0::1").is_link_local());
    CHECK(ip("255.255.255.255").is_broadcast());
    CHECK_FALSE(ip("ffff:ffff::").is_broadcast());
    CHECK(ip("0.0.0.0").is_unspecified());
    CHECK(ip("::").is_unspecified());
    CHECK_FALSE(ip("::1").is_unspecified());
    CHECK(ip("0.0.0.0") != ip("::"));
}

TEST_CASE("a bare address is a prefix of full length") {
    CHECK(prefix("10.0.0.1") == Prefix{ip("10.0.0.1"), 32});
    CHECK(prefix("2001:db8::1") == Prefix{ip("2001:db8::1"), 128});
    CHECK(prefix("10.10.0.1/24").to_string() == "10.10.0.1/24");
    CHECK(prefix("0.0.0.0/0").length == 0);
    for (const std::string_view text :
         {"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "/8", "10.0.0.0/8/8",
          "10.0.0.0/8 ", "::/129", "10.0.0.0/65544", "10/8"}) {
        CAPTURE(text);
        CHECK_FALSE(Prefix::parse(text));
    }
}

TEST_CASE("a prefix contains what shares its network bits, bit for bit") {
    for (const std::string_view text : {"203.0.113.165", "2001:db8:a5a5:5a5a:1234:5678:9abc:def1"}) {
        const IpAddress address = ip(text);
        for (unsigned length = 0; length <= address.width(); ++length) {
            const Prefix own{address, static_cast<std::uint8_t>(length)};
            CHECK(own.contains(address));
            CHECK(own.network().contains(address));
            CHECK(own.network().network() == own.network());
            for (unsigned bit = 0; bit < address.width(); ++bit) {
                auto octets = address.octets();
                octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] ^ 0x80U >> bit % 8);
                const IpAddress flipped = address.is_v6()
                                              ? IpAddress::v6(octets)
                                              : IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
                REQUIRE(own.contains(flipped) == (bit >= length));
            }
        }
    }
    CHECK(prefix("10.10.0.77/24").network() == prefix("10.10.0.0/24"));
    CHECK_FALSE(prefix("0.0.0.0/0").contains(ip("::")));
    CHECK_FALSE(prefix("::/0").contains(ip("10.0.0.1")));
}

TEST_CASE("prefixes overlap when one contains the other") {
    CHECK(prefix("10.0.0.0/8").overlaps(prefix("10.20.0.0/16")));
    CHECK(prefix("10.20.0.0/16").overlaps(prefix("10.0.0.0/8")));
    CHECK(prefix("10.20.0.0/16").overlaps(prefix("10.20.0.0/16")));
    CHECK_FALSE(prefix("10.20.0.0/16").overlaps(prefix("10.21.0.0/16")));
    CHECK_FALSE(prefix("0.0.0.0/0").overlaps(prefix("::/0")));
}

TEST_CASE("an endpoint is an address and a port; IPv6 stands in brackets") {
    CHECK(Endpoint::parse("192.0.2.1:4500") == Endpoint{ip("192.0.2.1"), 4500});
    CHECK(Endpoint::parse("[2001:db8::1]:4789") == Endpoint{ip("2001:db8::1"), 4789});
    CHECK(Endpoint{ip("2001:db8::1"), 4789}.to_string() == "[2001:db8::1]:4789");
    CHECK(Endpoint{ip("192.0.2.1"), 4500}.to_string() == "192.0.2.1:4500");
    for (const std::string_view text :
         {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:70000", "192.0.2.1:045",
          "192.0.2.1:-1", "[192.0.2.1]:1", "2001:db8::1:4789", "[2001:db8::1]", "[2001:db8::1]:", "[]:1",
          "[::1:1", "::1]:1", "host:1"}) {
        CAPTURE(text);
        CHECK_FALSE(Endpoint::parse(text));
    }
}

TEST_CASE("hashes spread keys that differ in a few bits only") {
    const auto mac_at = [](unsigned i) {
        return MacAddress{{0x02, 0, 0, 0, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)}};
    };
    const auto v4_at = [](unsigned i) {
        return IpAddress::v4({10, 0, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)});
    };
    const auto v6_at = [](unsigned i) {
        std::array<std::uint8_t, 16> octets{0x20, 0x01, 0x0D, 0xB8};
        octets[6] = static_cast<std::uint8_t>(i >> 8U);
        octets[7] = static_cast<std::uint8_t>(i);
        return IpAddress::v6(octets);
    };
    const auto endpoint_at = [](unsigned i) {
        return Endpoint{IpAddress::v4({192, 0, 2, 1}), static_cast<std::uint16_t>(i * 16)};
    };
    for (const int empty :
         {empty_buckets(mac_at), empty_buckets(v4_at), empty_buckets(v6_at), empty_buckets(endpoint_at)}) {
        CHECK(empty > 4);
        CHECK(empty < 40);
    }
    CHECK(std::hash<IpAddress>{}(ip("0.0.0.0")) != std::hash<IpAddress>{}(ip("::")));
}

TEST_CASE("each bit of a key changes about half of the bits of its hash") {
    for (unsigned bit = 0; bit < 64; ++bit) {
        int changed = 0;
        for (std::uint64_t key = 1; key <= 100; ++key) {
            const std::uint64_t word = key * 0x0123'4567'89AB'CDEF;
            changed += __builtin_popcountll(mix(word) ^ mix(word ^ std::uint64_t{1} << bit));
        }
        CAPTURE(bit);
        CHECK(changed > 100 * 24);
        CHECK(changed < 100 * 40);
    }
}
