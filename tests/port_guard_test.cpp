#include "vswitch/port_guard.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "vswitch/flow_table.h"
#include "vswitch/neighbor_discovery.h"

using namespace weft;
using namespace weft::test;

namespace {

const MacAddress own = mac("02:00:00:00:00:11");
const MacAddress gateway = mac("02:00:00:00:00:01");
const MacAddress foreign = mac("02:00:00:00:00:66");
const IpAddress own_v4 = ip("10.0.0.11");
const IpAddress own_v6 = ip("fd00::11");
const IpAddress own_local = link_local_address(own);
const IpAddress gateway_v4 = ip("10.0.0.1");
const IpAddress gateway_v6 = ip("fd00::1");
const IpAddress gateway_local = ip("fe80::1");
const IpAddress nobody_v4 = ip("0.0.0.0");
const IpAddress nobody_v6 = ip("::");
const IpAddress all_v4 = ip("255.255.255.255");

const PortGuard guard{own, {own_v4, ip("10.0.0.12"), own_v6}};

struct Case {
    std::string_view what;
    Bytes frame;
    std::optional<Drop> answer = std::nullopt;
};

PacketBuilder from_own() {
    return PacketBuilder().ethernet(gateway, own);
}

PacketBuilder from_own(const IpAddress& source, const IpAddress& destination) {
    return from_own().ip(source, destination);
}

std::optional<Drop> check(const Bytes& frame) {
    const auto what = classify_frame(frame, untagged);
    if (!what) return what.error();
    return guard.check(frame, *what);
}

std::string name(const std::optional<Drop>& answer) {
    return std::string(answer ? to_string(*answer) : "passes");
}

// A neighbor discovery message: four bytes, an address if it has one, and options.
Bytes discovery(const IpAddress& source, std::uint8_t type, const Bytes& body,
                const IpAddress& destination = all_nodes) {
    return from_own(source, destination).ttl(255).icmp(type, 0).payload(body).build();
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes bytes;
    for (const Bytes& part : parts) append(bytes, part);
    return bytes;
}

Bytes octets(const IpAddress& address) {
    return {address.bytes().begin(), address.bytes().end()};
}

Bytes link_option(std::uint8_t type, const MacAddress& link) {
    return joined({{type, 1}, {link.octets.begin(), link.octets.end()}});
}

Bytes in_tag(std::uint16_t type, const Bytes& frame) {
    Bytes tagged(frame.begin(), frame.begin() + 12);
    append16(tagged, type);
    append16(tagged, 0);
    tagged.insert(tagged.end(), frame.begin() + 12, frame.end());
    return tagged;
}

Bytes in_snap(const Bytes& frame, std::uint8_t last_of_organization = 0) {
    Bytes wrapped(frame.begin(), frame.begin() + 12);
    append16(wrapped, static_cast<unsigned>(frame.size() - 6));
    append(wrapped, Bytes{0xAA, 0xAA, 0x03, 0, 0, last_of_organization});
    wrapped.insert(wrapped.end(), frame.begin() + 12, frame.end());
    return wrapped;
}

Bytes arp(std::uint16_t operation, const MacAddress& sender_mac, const IpAddress& sender,
          const IpAddress& target) {
    Bytes bytes = operation == ArpPacket::request
                      ? from_own().arp_request(sender_mac, sender, target).build()
                      : from_own().arp_reply(sender_mac, sender, gateway, target).build();
    put16(bytes, 20, operation);
    return bytes;
}

const Bytes rogue_advertisement = discovery(own_local, 134, joined({Bytes(8, 0), link_option(1, own)}));
const Bytes spoofed_datagram = from_own(gateway_v4, own_v4).udp(1000, 2000).payload(8).build();
const Bytes spoofed_reply = arp(ArpPacket::reply, own, gateway_v4, own_v4);

std::vector<Case> honest() {
    return {
        {"TCP over IPv4", from_own(own_v4, gateway_v4).tcp(1000, 80).payload(40).build()},
        {"UDP from the second address", from_own(ip("10.0.0.12"), gateway_v4).udp(1000, 53).build()},
        {"a ping over IPv6", from_own(own_v6, gateway_v6).echo_request(7, 1).payload(16).build()},
        {"a ping from the link-local address", from_own(own_local, gateway_local).echo_request(7, 1).build()},
        {"a protocol of no interest", from_own(own_v4, gateway_v4).protocol(47).payload(16).build()},
        {"UDP behind extension headers",
         from_own(own_v6, gateway_v6).extension(ip_protocol::hop_by_hop).udp(1000, 53).payload(8).build()},
        {"a first fragment",
         from_own(own_v4, gateway_v4).fragment(0, true).udp(1000, 53).payload(16).build()},
        {"a later fragment",
         from_own(own_v4, gateway_v4).fragment(64, false).protocol(17).payload(16).build()},
        {"a first fragment of IPv6",
         from_own(own_v6, gateway_v6).fragment(0, true).udp(1000, 53).payload(16).build()},
        {"a later fragment of IPv6",
         from_own(own_v6, gateway_v6).fragment(64, false).protocol(17).payload(16).build()},
        {"ARP request", arp(ArpPacket::request, own, own_v4, gateway_v4)},
        {"ARP reply", arp(ArpPacket::reply, own, own_v4, gateway_v4)},
        {"gratuitous ARP", arp(ArpPacket::request, own, own_v4, own_v4)},
        {"ARP probe", arp(ArpPacket::request, own, nobody_v4, own_v4)},
        {"DHCP discover", from_own(nobody_v4, all_v4).udp(68, 67).payload(64).build()},
        {"DHCP renewal", from_own(own_v4, gateway_v4).udp(68, 67).payload(64).build()},
        {"DHCPv6 solicit", from_own(own_local, ip("ff02::1:2")).udp(546, 547).payload(16).build()},
        {"router solicitation", discovery(own_local, 133, joined({Bytes{}, link_option(1, own)}))},
        {"router solicitation from nobody", discovery(nobody_v6, 133, {})},
        {"neighbor solicitation",
         from_own(own_v6, solicited_node(gateway_v6)).neighbor_solicitation(gateway_v6, own).build()},
        {"duplicate address detection", discovery(nobody_v6, 135, octets(own_v6), solicited_node(own_v6))},
        {"duplicate address detection of the link-local address",
         discovery(nobody_v6, 135, joined({octets(own_local), {14, 1, 1, 2, 3, 4, 5, 6}}),
                   solicited_node(own_local))},
        {"neighbor advertisement", from_own(own_v6, gateway_v6).neighbor_advertisement(own_v6, own).build()},
        {"neighbor advertisement without an option", discovery(own_local, 136, octets(own_local))},
        {"MLD report from nobody", discovery(nobody_v6, 143, Bytes(20, 0), ip("ff02::16"))},
        {"MLD report", discovery(own_local, 131, Bytes(16, 0))},
        {"another ether type", from_own().ethernet(gateway, own, 0x88B5).payload(46).build()},
        {"IPv4 in a tag", in_tag(0x8100, from_own(own_v4, gateway_v4).tcp(1000, 80).build())},
        {"ARP in SNAP", in_snap(arp(ArpPacket::request, own, own_v4, gateway_v4))},
    };
}

std::vector<Case> spoofed() {
    const auto nd = Drop::spoofed_nd;
    const auto router = Drop::router_advertisement;
    return {
        {"another MAC address", PacketBuilder().ethernet(gateway, foreign).ip(own_v4, gateway_v4).build(),
         Drop::spoofed_mac},
        {"another MAC address of an unknown protocol",
         PacketBuilder().ethernet(gateway, foreign, 0x88B5).payload(46).build(), Drop::spoofed_mac},
        {"no MAC address", PacketBuilder().ethernet(gateway, MacAddress{}).ip(own_v4, gateway_v4).build(),
         Drop::spoofed_mac},
        {"another's IPv4 address", spoofed_datagram, Drop::spoofed_ip},
        {"another's IPv6 address", from_own(gateway_v6, own_v6).tcp(80, 1000).build(), Drop::spoofed_ip},
        {"another link-local address", from_own(ip("fe80::2"), own_local).udp(1, 2).build(),
         Drop::spoofed_ip},
        {"IPv6 whose first bytes are the own IPv4 address", from_own(ip("a00:b::"), gateway_v6).build(),
         Drop::spoofed_ip},
        {"a broadcast address as a source", from_own(all_v4, gateway_v4).udp(1, 2).build(), Drop::spoofed_ip},
        {"nobody, not to a DHCP server", from_own(nobody_v4, gateway_v4).udp(68, 69).build(),
         Drop::spoofed_ip},
        {"nobody, over TCP", from_own(nobody_v6, gateway_v6).tcp(1, 2).build(), Drop::spoofed_ip},
        {"an MLD query from nobody", discovery(nobody_v6, 130, Bytes(16, 0)), Drop::spoofed_ip},
        {"a DHCP request in IPv6's name", from_own(nobody_v6, gateway_v6).udp(68, 67).build(),
         Drop::spoofed_ip},
        {"a first fragment of another's",
         from_own(gateway_v4, own_v4).fragment(0, true).udp(1, 2).payload(16).build(), Drop::spoofed_ip},
        {"a later fragment of another's",
         from_own(gateway_v4, own_v4).fragment(64, false).protocol(17).payload(16).build(), Drop::spoofed_ip},
        {"a later fragment of another's IPv6",
         from_own(gateway_v6, own_v6).fragment(64, false).protocol(58).payload(16).build(), Drop::spoofed_ip},
        {"a later fragment from nobody",
         from_own(nobody_v4, all_v4).fragment(64, false).protocol(17).payload(16).build(), Drop::spoofed_ip},
        {"ARP reply for another", spoofed_reply, Drop::spoofed_arp},
        {"ARP request of another", arp(ArpPacket::request, own, gateway_v4, own_v4), Drop::spoofed_arp},
        {"gratuitous ARP of another", arp(ArpPacket::request, own, gateway_v4, gateway_v4),
         Drop::spoofed_arp},
        {"ARP with another MAC address inside", arp(ArpPacket::reply, foreign, own_v4, gateway_v4),
         Drop::spoofed_arp},
        {"ARP probe for another's address", arp(ArpPacket::request, own, nobody_v4, gateway_v4),
         Drop::spoofed_arp},
        {"ARP reply of nobody", arp(ArpPacket::reply, own, nobody_v4, own_v4), Drop::spoofed_arp},
        {"ARP of another operation", arp(9, own, gateway_v4, own_v4), Drop::spoofed_arp},
        {"advertisement for another",
         from_own(own_v6, own_v6).neighbor_advertisement(gateway_v6, own).build(), nd},
        {"advertisement by another", from_own(gateway_v6, own_v6).neighbor_advertisement(own_v6, own).build(),
         nd},
        {"advertisement by nobody", discovery(nobody_v6, 136, joined({octets(own_v6), link_option(2, own)})),
         nd},
        {"advertisement of another link-layer address",
         from_own(own_v6, own_v6).neighbor_advertisement(own_v6, foreign).build(), nd},
        {"a second option with another link-layer address",
         discovery(own_v6, 136, joined({octets(own_v6), link_option(2, own), link_option(2, foreign)})), nd},
        {"a link-layer address of another length",
         discovery(own_v6, 136, joined({octets(own_v6), {2, 2}, Bytes(14, 0)})), nd},
        {"solicitation by another",
         from_own(gateway_local, solicited_node(own_v6)).neighbor_solicitation(own_v6, own).build(), nd},
        {"solicitation with another link-layer address",
         from_own(own_v6, solicited_node(gateway_v6)).neighbor_solicitation(gateway_v6, foreign).build(), nd},
        {"duplicate address detection of another's address",
         discovery(nobody_v6, 135, octets(gateway_v6), solicited_node(gateway_v6)), nd},
        {"router solicitation by another", discovery(gateway_local, 133, {}), nd},
        {"router solicitation with another link-layer address",
         discovery(own_local, 133, link_option(1, foreign)), nd},
        {"neighbor discovery in fragments",
         from_own(own_v6, gateway_v6).fragment(0, true).icmp(136, 0).payload(octets(own_v6)).build(), nd},
        {"router advertisement", rogue_advertisement, router},
        {"router advertisement by another", discovery(gateway_local, 134, Bytes(8, 0)), router},
        {"router advertisement behind extension headers",
         from_own(own_local, all_nodes)
             .extension(ip_protocol::destination_options)
             .icmp(134, 0)
             .payload(Bytes(8, 0))
             .build(),
         router},
        {"the beginning of a router advertisement in fragments",
         from_own(own_local, all_nodes).fragment(0, true).icmp(134, 0).payload(Bytes(8, 0)).build(), router},
        {"redirect", discovery(own_local, 137, Bytes(32, 0)), router},
        {"DHCP offer", from_own(own_v4, all_v4).udp(67, 68).payload(64).build(), Drop::dhcp_server},
        {"DHCP offer by another", from_own(gateway_v4, all_v4).udp(67, 68).payload(64).build(),
         Drop::dhcp_server},
        {"the beginning of a DHCP offer",
         from_own(own_v4, all_v4).fragment(0, true).udp(67, 68).payload(64).build(), Drop::dhcp_server},
        {"DHCPv6 advertisement", from_own(own_local, gateway_local).udp(547, 546).payload(64).build(),
         Drop::dhcp_server},
        {"DHCPv6 advertisement in an atomic fragment",
         from_own(own_local, gateway_local).fragment(0, false).udp(547, 546).payload(64).build(),
         Drop::dhcp_server},
        {"a first fragment whose ports are in the second one",
         from_own(own_v6, all_nodes).fragment(0, true).protocol(17).build(), Drop::malformed},
        {"a first fragment whose extension header is in the second one",
         from_own(own_v6, all_nodes).fragment(0, true).protocol(60).build(), Drop::truncated},
        {"a tag in a tag", in_tag(0x8100, in_tag(0x8100, spoofed_datagram)), Drop::spoofed_ip},
        {"in a service tag", in_tag(0x88A8, rogue_advertisement), router},
        {"in an old tag", in_tag(0x9100, spoofed_reply), Drop::spoofed_arp},
        {"in SNAP", in_snap(rogue_advertisement), router},
        {"in SNAP of the bridge tunnel", in_snap(spoofed_reply, 0xF8), Drop::spoofed_arp},
        {"in a tag in SNAP", in_snap(in_tag(0x8100, spoofed_datagram)), Drop::spoofed_ip},
        {"in more tags than anybody has",
         in_tag(0x8100, in_tag(0x8100, in_tag(0x8100, in_tag(0x8100, in_tag(0x8100, spoofed_datagram))))),
         Drop::malformed},
        {"IPv6 that calls itself IPv4",
         frame(gateway, own, 0x0800, Bytes(rogue_advertisement.begin() + 14, rogue_advertisement.end())),
         Drop::malformed},
    };
}

std::vector<Case> all_cases() {
    auto cases = honest();
    for (Case& one : spoofed()) cases.push_back(std::move(one));
    return cases;
}

// Calls `with` for every packet of the cases, every truncation of it, and some changes of each of its bytes.
template <class With>
void for_all_variants(With&& with) {
    for (const Case& one : all_cases()) {
        for (std::size_t size = 0; size <= one.frame.size(); ++size)
            with(Bytes(one.frame.begin(), one.frame.begin() + static_cast<std::ptrdiff_t>(size)));
        for (std::size_t at = 0; at < one.frame.size(); ++at) {
            for (const unsigned change : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 255U}) {
                Bytes changed = one.frame;
                changed[at] = static_cast<std::uint8_t>(changed[at] ^ change);
                with(changed);
            }
        }
    }
}

}  // namespace

TEST_CASE("what a station says about itself passes") {
    for (const Case& one : honest()) {
        CAPTURE(one.what);
        CHECK(name(check(one.frame)) == "passes");
    }
}

TEST_CASE("what a station says in another's name is dropped, each kind by its name") {
    for (const Case& one : spoofed()) {
        CAPTURE(one.what);
        CHECK(name(check(one.frame)) == name(one.answer));
    }
}

TEST_CASE("no truncation of what is dropped passes, unless too little is left for an IP or ARP header") {
    for (const Case& one : spoofed()) {
        const bool in_llc = one.frame.size() > 13 && get16(one.frame, 12) < 0x0600;
        for (std::size_t size = in_llc ? 22 : 0; size < one.frame.size(); ++size) {
            const Bytes truncated(one.frame.begin(), one.frame.begin() + static_cast<std::ptrdiff_t>(size));
            CAPTURE(one.what);
            CAPTURE(size);
            const bool is_unknown = one.answer == Drop::spoofed_mac && size < 14;
            CHECK((is_unknown || check(truncated).has_value()));
        }
    }
}

TEST_CASE("of no truncated or changed packet more is read than is there") {
    std::size_t passed = 0;
    for_all_variants([&](const Bytes& frame) { passed += check(frame) ? 0U : 1U; });
    CHECK(passed > 0);
}

TEST_CASE("nothing that is changed in one byte claims to be another station") {
    for (const Case& one : honest()) {
        for (std::size_t at = 6; at < 12; ++at) {
            Bytes changed = one.frame;
            changed[at] ^= 0x10;
            CHECK(check(changed) == Drop::spoofed_mac);
        }
    }
}

TEST_CASE("of packets that the flow table follows, the flow's key decides alone") {
    std::multimap<std::uint32_t, std::pair<FlowKey, std::optional<Drop>>> seen;
    std::size_t compared = 0;
    for_all_variants([&](const Bytes& frame) {
        const auto what = classify_frame(frame, untagged);
        if (!what || !FlowTable::follows(*what)) return;
        const auto answer = guard.check(frame, *what);
        const auto [first, last] = seen.equal_range(hash(what->flow));
        for (auto before = first; before != last; ++before) {
            if (before->second.first != what->flow) continue;
            ++compared;
            CHECK(name(before->second.second) == name(answer));
            return;
        }
        seen.emplace(hash(what->flow), std::pair{what->flow, answer});
    });
    CHECK(compared > 1000);
}

TEST_CASE("neighbor discovery, ARP and fragments are nothing that the flow table follows") {
    for (const Case& one : all_cases()) {
        const auto what = classify_frame(one.frame, untagged);
        if (!what || !FlowTable::follows(*what)) continue;
        CAPTURE(one.what);
        CHECK(what->is_ip());
        CHECK_FALSE(what->is_fragment);
        CHECK(one.answer != Drop::spoofed_nd);
        CHECK(one.answer != Drop::router_advertisement);
        CHECK(one.answer != Drop::spoofed_arp);
    }
}

TEST_CASE("a station without addresses can ask for some, and has its link-local one") {
    const PortGuard bare{own, {}};
    const auto check_bare = [&](const Bytes& frame) {
        return bare.check(frame, *classify_frame(frame, untagged));
    };
    CHECK_FALSE(check_bare(from_own(nobody_v4, all_v4).udp(68, 67).payload(64).build()));
    CHECK_FALSE(check_bare(from_own(own_local, gateway_local).echo_request(7, 1).build()));
    CHECK(check_bare(from_own(own_v4, gateway_v4).udp(1, 2).build()) == Drop::spoofed_ip);
    CHECK(check_bare(arp(ArpPacket::request, own, own_v4, gateway_v4)) == Drop::spoofed_arp);
}
