#include "vswitch/device/virtio_header.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "vswitch/headers.h"

namespace weft {
namespace {

using Bytes = std::vector<std::uint8_t>;

// A packet as a device hands it over.
struct Sample {
    std::string name;
    VirtioHeader header;
    LinkLayer link;
    Bytes bytes;
};

Bytes ethernet(std::uint16_t type, bool tagged) {
    Bytes bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    if (tagged) bytes.insert(bytes.end(), {0x81, 0x00, 0x00, 0x0A});
    bytes.insert(bytes.end(), {static_cast<std::uint8_t>(type >> 8U), static_cast<std::uint8_t>(type)});
    return bytes;
}

Bytes ip(bool v6, std::uint8_t protocol) {
    Bytes bytes(v6 ? 40 : 20);
    bytes[0] = v6 ? 0x60 : 0x45;
    bytes[v6 ? 6 : 9] = protocol;
    return bytes;
}

Bytes transport(std::uint8_t protocol) {
    if (protocol == ip_protocol::udp) return Bytes(8);
    Bytes bytes(32);
    bytes[12] = 0x80;
    return bytes;
}

Sample super_frame(const std::string& name, bool v6, std::uint8_t protocol, LinkLayer link, bool tagged) {
    Sample sample{.name = name, .header = {}, .link = link, .bytes = {}};
    const auto append = [&](const Bytes& bytes) {
        sample.bytes.insert(sample.bytes.end(), bytes.begin(), bytes.end());
    };
    if (link == LinkLayer::ethernet) append(ethernet(v6 ? ether_type::ipv6 : ether_type::ipv4, tagged));
    append(ip(v6, protocol));
    const bool is_udp = protocol == ip_protocol::udp;
    const std::uint8_t tcp = v6 ? VirtioHeader::gso_tcp6 : VirtioHeader::gso_tcp4;
    sample.header = {.flags = VirtioHeader::needs_checksum,
                     .gso_type = is_udp ? VirtioHeader::gso_udp : tcp,
                     .hdr_len = 0,
                     .gso_size = 100,
                     .csum_start = static_cast<std::uint16_t>(sample.bytes.size()),
                     .csum_offset = static_cast<std::uint16_t>(is_udp ? 6 : 16)};
    append(transport(protocol));
    sample.header.hdr_len = static_cast<std::uint16_t>(sample.bytes.size());
    append(Bytes(250));
    return sample;
}

std::vector<Sample> super_frames() {
    std::vector<Sample> samples;
    for (const bool v6 : {false, true}) {
        for (const auto protocol : {ip_protocol::tcp, ip_protocol::udp}) {
            const std::string kind = std::string{protocol == ip_protocol::tcp ? "TCP" : "UDP"} +
                                     (v6 ? " over IPv6" : " over IPv4");
            samples.push_back(super_frame(kind, v6, protocol, LinkLayer::none, false));
            samples.push_back(super_frame(kind + " in a frame", v6, protocol, LinkLayer::ethernet, false));
            samples.push_back(
                super_frame(kind + " in a tagged frame", v6, protocol, LinkLayer::ethernet, true));
        }
    }
    return samples;
}

// As later stages rely on it: what an accepted packet's metadata says lies within the packet.
bool is_sound(const Packet& packet) {
    const Offload& offload = packet.offload();
    if (!offload.needs_checksum) return offload.gso == Offload::Gso::none;
    const std::size_t start = packet.checksum_start();
    if (start + offload.checksum_offset + 2 > packet.size()) return false;
    return offload.gso == Offload::Gso::none ||
           (offload.gso_size > 0 && make_virtio_header(packet).hdr_len <= packet.size());
}

TEST_CASE("a super-frame's header is read and written back the same") {
    PacketPool pool(1);
    for (const auto& sample : super_frames()) {
        CAPTURE(sample.name);
        Packet packet = pool.take(sample.bytes);
        REQUIRE(apply_virtio_header(sample.header, sample.link, packet));
        CHECK(packet.offload().needs_checksum);
        CHECK(packet.offload().gso_size == 100);
        CHECK(packet.checksum_start() == sample.header.csum_start);
        const VirtioHeader written = make_virtio_header(packet);
        CHECK(written.flags == sample.header.flags);
        CHECK(written.gso_type == sample.header.gso_type);
        CHECK(written.hdr_len == sample.header.hdr_len);
        CHECK(written.gso_size == sample.header.gso_size);
        CHECK(written.csum_start == sample.header.csum_start);
        CHECK(written.csum_offset == sample.header.csum_offset);
    }
}

TEST_CASE("the length of the headers is computed, never taken over") {
    PacketPool pool(1);
    auto sample = super_frames().front();
    sample.header.hdr_len = 0xFFFF;
    Packet packet = pool.take(sample.bytes);
    REQUIRE(apply_virtio_header(sample.header, sample.link, packet));
    CHECK(make_virtio_header(packet).hdr_len == 52);
}

TEST_CASE("offsets follow the packet when a header is pushed in front of it") {
    PacketPool pool(1);
    const auto sample = super_frames().front();
    Packet packet = pool.take(sample.bytes);
    REQUIRE(apply_virtio_header(sample.header, sample.link, packet));
    packet.push(14);
    const VirtioHeader written = make_virtio_header(packet);
    CHECK(written.csum_start == sample.header.csum_start + 14);
    CHECK(written.hdr_len == sample.header.hdr_len + 14);
}

TEST_CASE("flags of an ordinary packet pass through") {
    PacketPool pool(1);
    Packet packet = pool.take(super_frames().front().bytes);
    REQUIRE(apply_virtio_header({}, LinkLayer::none, packet));
    CHECK_FALSE(packet.offload().needs_checksum);
    CHECK_FALSE(packet.offload().checksum_valid);
    CHECK(make_virtio_header(packet).flags == 0);
    REQUIRE(apply_virtio_header({.flags = VirtioHeader::data_valid}, LinkLayer::none, packet));
    CHECK(packet.offload().checksum_valid);
    CHECK(make_virtio_header(packet).flags == VirtioHeader::data_valid);
    REQUIRE(apply_virtio_header({.gso_type = VirtioHeader::gso_ecn}, LinkLayer::none, packet));
    CHECK_FALSE(packet.offload().ecn);
}

TEST_CASE("a header that contradicts its packet is refused") {
    const auto tcp = super_frames().front();

    struct Case {
        const char* what;
        VirtioHeader header;
    };

    const auto changed = [&](auto change) {
        VirtioHeader header = tcp.header;
        change(header);
        return header;
    };
    const std::vector<Case> cases = {
        {"unknown type", changed([](auto& h) { h.gso_type = 2; })},
        {"UFO, which was never negotiated", changed([](auto& h) { h.gso_type = 3; })},
        {"no segment size", changed([](auto& h) { h.gso_size = 0; })},
        {"finished checksum", changed([](auto& h) { h.flags = 0; })},
        {"TCP over the wrong IP", changed([](auto& h) { h.gso_type = VirtioHeader::gso_tcp6; })},
        {"UDP that is TCP", changed([](auto& h) {
             h.gso_type = VirtioHeader::gso_udp;
             h.csum_offset = 6;
         })},
        {"checksum field elsewhere", changed([](auto& h) { h.csum_offset = 6; })},
        {"transport header elsewhere", changed([](auto& h) { h.csum_start += 4; })},
        {"checksum beyond the end", {.flags = 1, .csum_start = 0xFFFF, .csum_offset = 0xFFFF}},
        {"checksum just beyond the end", {.flags = 1, .csum_start = 285, .csum_offset = 16}},
        {"checksum over the IP header", {.flags = 1, .csum_start = 19, .csum_offset = 16}},
    };
    PacketPool pool(1);
    for (const auto& [what, header] : cases) {
        CAPTURE(what);
        Packet packet = pool.take(tcp.bytes);
        CHECK_FALSE(apply_virtio_header(header, tcp.link, packet));
    }
}

TEST_CASE("a fragment is no super-frame") {
    auto tcp = super_frames().front();
    tcp.bytes[6] = 0x20;
    PacketPool pool(1);
    Packet packet = pool.take(tcp.bytes);
    CHECK_FALSE(apply_virtio_header(tcp.header, tcp.link, packet));
}

TEST_CASE("no truncation and no changed byte makes metadata that points outside the packet") {
    PacketPool pool(1);
    for (const auto& sample : super_frames()) {
        CAPTURE(sample.name);
        for (std::size_t size = 0; size < sample.bytes.size(); ++size) {
            Packet packet = pool.take(std::span{sample.bytes}.first(size));
            const bool accepted = apply_virtio_header(sample.header, sample.link, packet);
            CHECK((!accepted || is_sound(packet)));
            CHECK((size >= sample.header.hdr_len || !accepted));
        }
        constexpr std::array<std::uint8_t, 6> values{0, 1, 0x0F, 0x7F, 0x80, 0xFF};
        for (std::size_t at = 0; at < sizeof(VirtioHeader) + sample.header.hdr_len; ++at) {
            for (const auto value : values) {
                auto mutated = sample;
                if (at < sizeof(VirtioHeader)) {
                    reinterpret_cast<std::uint8_t*>(&mutated.header)[at] = value;
                } else {
                    mutated.bytes[at - sizeof(VirtioHeader)] = value;
                }
                Packet packet = pool.take(mutated.bytes);
                CHECK((!apply_virtio_header(mutated.header, mutated.link, packet) || is_sound(packet)));
            }
        }
    }
}

}  // namespace
}  // namespace weft
