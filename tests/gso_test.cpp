#include "vswitch/gso.h"

#include <random>

#include <doctest/doctest.h>

#include "tests/support/datagrams.h"
#include "vswitch/headers.h"

using namespace weft;
using namespace weft::test;

namespace {

struct SuperFrame {  // NOLINT(clang-analyzer-optin.performance.Padding): read as rows of a table
    Offload::Gso gso;
    bool is_v6;
    std::size_t frame_header;  // 0: a datagram
    std::size_t ip_options;    // IPv4 options, or an IPv6 destination options header
    std::size_t tcp_options;
    std::uint8_t flags;
    std::uint16_t gso_size;
    std::size_t payload;
};

std::size_t transport_offset(const SuperFrame& spec) {
    return spec.frame_header + (spec.is_v6 ? 40 : 20) + spec.ip_options;
}

const IpAddress source_v4 = ip("10.0.0.1");
const IpAddress destination_v4 = ip("10.0.0.2");
const IpAddress source_v6 = ip("2001:db8::1");
const IpAddress destination_v6 = ip("2001:db8::2");

Bytes transport_bytes(const SuperFrame& spec) {
    Bytes transport;
    append16(transport, 1111);
    append16(transport, 2222);
    if (spec.gso == Offload::Gso::udp) {
        append16(transport, static_cast<unsigned>(8 + spec.payload));
        append16(transport, 0xBEEF);
    } else {
        append32(transport, 0xFFFFFF00);
        append32(transport, 42);
        transport.push_back(static_cast<std::uint8_t>((20 + spec.tcp_options) / 4 << 4U));
        transport.push_back(spec.flags);
        append16(transport, 500);
        append32(transport, 0xBEEF0000);
        append(transport, Bytes(spec.tcp_options, 1));
    }
    append(transport, pattern(spec.payload));
    return transport;
}

Packet make(PacketPool& pool, const SuperFrame& spec) {
    const std::uint8_t protocol = spec.gso == Offload::Gso::udp ? 17 : 6;
    Bytes bytes(spec.frame_header, 0x02);
    Bytes transport = transport_bytes(spec);
    if (spec.is_v6) {
        Bytes payload;
        if (spec.ip_options > 0) {
            payload = Bytes(spec.ip_options, 0);
            payload[0] = protocol;
            payload[1] = static_cast<std::uint8_t>(spec.ip_options / 8 - 1);
            payload[2] = 1;
            payload[3] = static_cast<std::uint8_t>(spec.ip_options - 4);
        }
        append(payload, transport);
        append(bytes, ipv6(source_v6, destination_v6, spec.ip_options > 0 ? 60 : protocol, payload));
    } else {
        append(
            bytes,
            ipv4(source_v4, destination_v4, protocol, transport,
                 {.identification = 0xFFFE, .flags_fragment = 0x4000, .options = Bytes(spec.ip_options, 1)}));
    }
    Packet packet = pool.take(bytes);
    packet.offload() = {
        .gso = spec.gso,
        .ecn = (spec.flags & TcpHeader::cwr) != 0,
        .needs_checksum = true,
        .gso_size = spec.gso_size,
        .checksum_offset = static_cast<std::uint16_t>(spec.gso == Offload::Gso::udp ? 6 : 16)};
    packet.set_checksum_start(transport_offset(spec));
    packet.vlan_tci() = 77;
    return packet;
}

// Checks one segment by itself, field by field, and returns its payload.
Bytes check_segment(const SuperFrame& spec, const Packet& segment, std::size_t index, bool last) {
    const Bytes bytes(segment.bytes().begin(), segment.bytes().end());
    const std::size_t network = spec.frame_header;
    const std::size_t transport = transport_offset(spec);
    const auto transport_part = std::span(bytes).subspan(transport);
    CHECK(segment.offload().gso == Offload::Gso::none);
    CHECK_FALSE(segment.offload().needs_checksum);
    CHECK(segment.vlan() == VlanId{77});
    if (spec.is_v6) {
        CHECK(get16(bytes, network + 4) == bytes.size() - network - 40);
    } else {
        CHECK(get16(bytes, network + 2) == bytes.size() - network);
        CHECK(get16(bytes, network + 4) == ((0xFFFE + index) & 0xFFFF));
        CHECK(naive_checksum(std::span(bytes).subspan(network, 20 + spec.ip_options)) == 0);
    }
    const std::uint8_t protocol = spec.gso == Offload::Gso::udp ? 17 : 6;
    CHECK(transport_checksum(spec.is_v6 ? source_v6 : source_v4, spec.is_v6 ? destination_v6 : destination_v4,
                             protocol, transport_part) == 0);
    std::size_t header = 8;
    if (protocol == 17) {
        CHECK(get16(transport_part, 4) == transport_part.size());
        CHECK(get16(transport_part, 6) != 0);
    } else {
        header = 20 + spec.tcp_options;
        CHECK(get32(transport_part, 4) == static_cast<std::uint32_t>(0xFFFFFF00 + index * spec.gso_size));
        const unsigned only_last = TcpHeader::fin | TcpHeader::psh;
        unsigned expected = spec.flags;
        if (!last) expected &= ~only_last;
        if (index > 0) expected &= ~unsigned{TcpHeader::cwr};
        CHECK(transport_part[13] == expected);
    }
    return Bytes(transport_part.begin() + static_cast<std::ptrdiff_t>(header), transport_part.end());
}

constexpr std::uint8_t all_flags =
    TcpHeader::fin | TcpHeader::psh | TcpHeader::ack | TcpHeader::cwr | TcpHeader::ece;

const SuperFrame specs[] = {
    {Offload::Gso::tcp4, false, 0, 0, 0, TcpHeader::ack, 1460, 64000},
    {Offload::Gso::tcp4, false, 14, 0, 12, all_flags, 1448, 14480},
    {Offload::Gso::tcp4, false, 14, 8, 40, all_flags, 1001, 5003},
    {Offload::Gso::tcp6, true, 0, 0, 12, all_flags, 1428, 64000},
    {Offload::Gso::tcp6, true, 14, 16, 0, TcpHeader::psh, 777, 778},
    {Offload::Gso::udp, false, 0, 0, 0, 0, 1200, 12000},
    {Offload::Gso::udp, false, 14, 4, 0, 0, 1, 33},
    {Offload::Gso::udp, true, 14, 8, 0, 0, 1333, 40001},
    {Offload::Gso::tcp4, false, 0, 0, 0, all_flags, 1460, 1460},
    {Offload::Gso::tcp4, false, 0, 0, 0, all_flags, 1460, 0},
    {Offload::Gso::udp, true, 0, 0, 0, 0, 1000, 999},
};

}  // namespace

TEST_CASE(
    "the segments of a super-frame carry its payload, each with right lengths, numbers, flags and "
    "checksums") {
    for (const SuperFrame& spec : specs) {
        PacketPool pool(80);
        std::vector<Packet> out;
        REQUIRE(segment(make(pool, spec), static_cast<std::uint16_t>(spec.frame_header), out).has_value());
        const std::size_t expected =
            std::max<std::size_t>(1, (spec.payload + spec.gso_size - 1) / spec.gso_size);
        REQUIRE(out.size() == expected);
        Bytes payload;
        for (std::size_t i = 0; i < out.size(); ++i) {
            const Bytes part = check_segment(spec, out[i], i, i + 1 == out.size());
            CHECK((part.size() == spec.gso_size || i + 1 == out.size()));
            append(payload, part);
        }
        CHECK(payload == pattern(spec.payload));
    }
}

TEST_CASE("the wire size of a super-frame is that of its largest segment") {
    PacketPool pool(80);
    for (const SuperFrame& spec : specs) {
        std::vector<Packet> out;
        Packet packet = make(pool, spec);
        const std::size_t size = wire_size(packet);
        REQUIRE(segment(std::move(packet), static_cast<std::uint16_t>(spec.frame_header), out).has_value());
        CHECK(size == out.front().size());
    }
}

TEST_CASE("a packet that is no super-frame is moved as it is") {
    PacketPool pool(2);
    std::vector<Packet> out;
    const Bytes bytes = udp_datagram(source_v4, destination_v4, 100);
    REQUIRE(segment(pool.take(bytes), 0, out).has_value());
    REQUIRE(out.size() == 1);
    CHECK(Bytes(out[0].bytes().begin(), out[0].bytes().end()) == bytes);
}

TEST_CASE("when the pool runs dry nothing is appended") {
    PacketPool pool(4);
    std::vector<Packet> out;
    out.push_back(pool.take());
    const auto cut = segment(make(pool, specs[0]), 0, out);
    REQUIRE_FALSE(cut.has_value());
    CHECK(cut.error() == Drop::no_buffer);
    CHECK(out.size() == 1);
    CHECK(pool.available() == 3);
}

TEST_CASE("a UDP checksum that comes out as zero is sent as 0xFFFF") {
    PacketPool pool(4);
    // The payload's last word makes the sum come out so.
    Bytes payload = pattern(8);
    Bytes transport = udp(source_v4, destination_v4, payload);
    put16(payload, 6, (get16(payload, 6) + get16(transport, 6)) % 0xFFFF);
    transport = udp(source_v4, destination_v4, payload);
    REQUIRE((get16(transport, 6) == 0 || get16(transport, 6) == 0xFFFF));

    Packet packet = pool.take(ipv4(source_v4, destination_v4, 17, transport));
    const Bytes pseudo = with_pseudo_header(source_v4, destination_v4, 17, Bytes{});
    const unsigned length = static_cast<unsigned>(transport.size());
    Bytes partial = pseudo;
    append16(partial, length);
    put16(packet.bytes(), 26, ~naive_checksum(partial));
    packet.offload() = {.needs_checksum = true, .checksum_offset = 6};
    packet.set_checksum_start(20);
    complete_checksum(packet);
    CHECK(get16(packet.bytes(), 26) == 0xFFFF);
    CHECK_FALSE(packet.offload().needs_checksum);
}

TEST_CASE("any checksum offset is safe") {
    PacketPool pool(2);
    for (const std::size_t start : {std::size_t{0}, std::size_t{20}, std::size_t{59}, std::size_t{60},
                                    std::size_t{61}, std::size_t{0xFFFFFFFF}, ~std::size_t{0} - 10}) {
        for (const unsigned offset : {0U, 1U, 6U, 16U, 38U, 39U, 40U, 58U, 59U, 0xFFFFU}) {
            Packet packet = pool.take(pattern(60));
            packet.offload() = {.needs_checksum = true,
                                .checksum_offset = static_cast<std::uint16_t>(offset)};
            packet.set_checksum_start(start);
            complete_checksum(packet);
            CHECK_FALSE(packet.offload().needs_checksum);
        }
    }
}

TEST_CASE("no truncated or mutated super-frame, nor hostile metadata, is more than malformed") {
    std::mt19937 random(7);
    for (const SuperFrame& spec : specs) {
        if (spec.payload > 6000) continue;
        PacketPool pool(7000);
        const Packet whole = make(pool, spec);
        std::vector<Packet> out;
        const std::size_t headers = transport_offset(spec) + 60;
        for (std::size_t size = 0; size < std::min(whole.size(), headers); ++size) {
            Packet cut = whole.clone();
            cut.resize(size);
            std::ignore = wire_size(cut);
            std::ignore = segment(std::move(cut), static_cast<std::uint16_t>(spec.frame_header), out);
            out.clear();
        }
        for (int i = 0; i < 400; ++i) {
            Packet mutated = whole.clone();
            mutated.data()[random() % std::min(whole.size(), headers)] = static_cast<std::uint8_t>(random());
            if (i % 4 == 0)
                mutated.offload().checksum_start += static_cast<std::uint32_t>(random() % 200) - 100;
            if (i % 7 == 0) mutated.offload().gso_size = static_cast<std::uint16_t>(random() % 3);
            if (i % 9 == 0) mutated.offload().gso = static_cast<Offload::Gso>(1 + random() % 3);
            std::ignore = wire_size(mutated);
            std::ignore = segment(std::move(mutated), static_cast<std::uint16_t>(random() % 20), out);
            out.clear();
        }
    }
}

namespace {

// What a receiver makes of fragments: RFC 791 section 3.2, with no thought for speed.
Bytes reassemble(const std::vector<Packet>& fragments, std::size_t mtu) {
    Bytes payload;
    for (std::size_t i = 0; i < fragments.size(); ++i) {
        const auto bytes = fragments[i].bytes();
        const std::size_t header = (bytes[0] & 15U) * std::size_t{4};
        CHECK(bytes.size() <= mtu);
        CHECK(get16(bytes, 2) == bytes.size());
        CHECK(naive_checksum(bytes.first(header)) == 0);
        CHECK((get16(bytes, 6) & 0x4000U) == 0);
        CHECK((get16(bytes, 6) & 0x1FFFU) * 8 == payload.size());
        CHECK(((get16(bytes, 6) & 0x2000U) != 0) == (i + 1 < fragments.size()));
        append(payload, bytes.subspan(header));
    }
    return payload;
}

}  // namespace

TEST_CASE("fragments join to the datagram that was cut") {
    for (const std::size_t size : {1481U, 1488U, 1489U, 2959U, 2960U, 2961U, 20000U, 65000U}) {
        for (const std::uint16_t mtu : std::initializer_list<std::uint16_t>{68, 576, 1280, 1500}) {
            PacketPool pool(1500);
            std::vector<Packet> out;
            const Bytes payload = pattern(size);
            REQUIRE(
                fragment_ipv4(pool.take(ipv4(source_v4, destination_v4, 17, payload)), mtu, out).has_value());
            CHECK(out.size() > 1);
            CHECK(reassemble(out, mtu) == payload);
        }
    }
}

TEST_CASE("a fragment is fragmented again") {
    PacketPool pool(200);
    std::vector<Packet> coarse;
    std::vector<Packet> fine;
    const Bytes payload = pattern(9001);
    REQUIRE(fragment_ipv4(pool.take(ipv4(source_v4, destination_v4, 17, payload)), 1500, coarse).has_value());
    for (Packet& fragment : coarse) REQUIRE(fragment_ipv4(std::move(fragment), 333, fine).has_value());
    CHECK(reassemble(fine, 333) == payload);
}

TEST_CASE("later fragments keep only the options that are to be copied") {
    PacketPool pool(20);
    std::vector<Packet> out;
    const Bytes options{7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0};  // record route, no-operation, router alert
    const Bytes payload = pattern(3000);
    REQUIRE(fragment_ipv4(pool.take(ipv4(source_v4, destination_v4, 17, payload, {.options = options})), 1500,
                          out)
                .has_value());
    CHECK(reassemble(out, 1500) == payload);
    CHECK(out[0].data()[0] == 0x48);
    for (std::size_t i = 1; i < out.size(); ++i) {
        CHECK(out[i].data()[0] == 0x46);
        CHECK(get32(out[i].bytes(), 20) == 0x94040000);
    }
}

TEST_CASE("what may not be fragmented is refused") {
    PacketPool pool(20);
    std::vector<Packet> out;
    const Bytes payload = pattern(3000);
    const auto refuse = [&](const Bytes& datagram, std::uint16_t mtu) {
        const auto cut = fragment_ipv4(pool.take(datagram), mtu, out);
        REQUIRE_FALSE(cut.has_value());
        CHECK(out.empty());
        return cut.error();
    };
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, payload, {.flags_fragment = 0x4000}), 1500) ==
          Drop::too_big);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, payload), 27) == Drop::too_big);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, payload, {.flags_fragment = 0x1FFF}), 1500) ==
          Drop::malformed);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, pattern(3001), {.flags_fragment = 0x2000}), 1500) ==
          Drop::malformed);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, payload, {.options = {0x94, 0, 0, 0}}), 1500) ==
          Drop::malformed);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, payload, {.options = {0x94, 5, 0, 0}}), 1500) ==
          Drop::malformed);
    CHECK(refuse(ipv4(source_v4, destination_v4, 17, pattern(65000)), 1500) == Drop::no_buffer);
    CHECK(pool.available() == 20);
}

TEST_CASE("a super-frame is segmented before it is fragmented") {
    PacketPool pool(40);
    std::vector<Packet> out;
    Packet packet = make(pool, {Offload::Gso::udp, false, 0, 0, 0, 0, 1000, 3000});
    packet.data()[6] = 0;  // without DF
    REQUIRE(fragment_ipv4(std::move(packet), 600, out).has_value());
    REQUIRE(out.size() == 6);
    for (std::size_t i = 0; i < 3; ++i) {
        std::vector<Packet> pair;
        pair.push_back(std::move(out[2 * i]));
        pair.push_back(std::move(out[2 * i + 1]));
        const Bytes transport = reassemble(pair, 600);
        CHECK(transport.size() == 1008);
        CHECK(transport_checksum(source_v4, destination_v4, 17, transport) == 0);
    }
}

TEST_CASE("no truncated or mutated datagram harms the fragmenter") {
    const Bytes whole = ipv4(source_v4, destination_v4, 17, pattern(300),
                             {.options = {0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0}});
    PacketPool pool(100);
    std::vector<Packet> out;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        std::ignore = fragment_ipv4(pool.take(std::span(whole).first(size)), 100, out);
        out.clear();
    }
    for (std::size_t at = 0; at < 32; ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            Bytes mutated = whole;
            mutated[at] = static_cast<std::uint8_t>(value);
            std::ignore = fragment_ipv4(pool.take(mutated), 100, out);
            out.clear();
        }
    }
}
