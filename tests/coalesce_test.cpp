#include "vswitch/coalesce.h"

#include <functional>
#include <map>

#include <doctest/doctest.h>

#include "tests/support/super_frame.h"
#include "vswitch/segmenter.h"

using namespace weft;
using namespace weft::test;

namespace {

const Bytes macs = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

struct Shape {
    const char* name;
    bool is_v6;
    bool is_tcp;
    Bytes link;
};

const Shape shapes[] = {
    {"TCP in IPv4", false, true, macs},
    {"TCP in IPv6", true, true, macs},
    {"UDP in IPv4", false, false, macs},
    {"UDP in IPv6", true, false, macs},
    {"TCP in IPv4, of a TUN", false, true, {}},
    {"UDP in IPv6, of a TUN", true, false, {}},
    {"TCP in IPv4, tagged", false, true, {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 10}},
};

SuperFrame flow(const Shape& shape, unsigned source_port = 1000) {
    SuperFrame spec{.is_v6 = shape.is_v6, .is_tcp = shape.is_tcp, .link = shape.link};
    spec.identification = 0xFFFE;
    spec.sequence = 0xFFFFFF00;
    spec.source = ip(shape.is_v6 ? "2001:db8::1" : "10.0.0.1");
    spec.destination = ip(shape.is_v6 ? "2001:db8::2" : "10.0.0.2");
    spec.source_port = source_port;
    spec.gso_size = 100;
    spec.tcp_options = Bytes{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    return spec;
}

// Packet `index` of the flow, `size` bytes of payload.
Bytes packet_of(const SuperFrame& spec, std::size_t index, std::size_t size = 100,
                unsigned flags = TcpHeader::ack) {
    return write_packet(spec, pattern(size), index, flags, false);
}

// A batch, arranged. The packets of a run are named by where they were in the batch.
class Batch {
  public:
    explicit Batch(const std::vector<Bytes>& packets, LinkLayer link = LinkLayer::ethernet, bool udp = true)
        : packets_(packets) {
        for (const Bytes& bytes : packets) batch_.push_back(pool_.take(bytes));
        prepare = [](std::size_t, Packet&) {};
        link_ = link;
        udp_ = udp;
    }

    std::function<void(std::size_t, Packet&)> prepare;

    std::vector<std::vector<std::size_t>> runs() {
        std::map<const std::uint8_t*, std::size_t> index_of;
        for (std::size_t i = 0; i < batch_.size(); ++i) {
            prepare(i, batch_[i]);
            index_of[batch_[i].data()] = i;
        }
        std::vector<std::vector<std::size_t>> result;
        std::vector<iovec> parts(Coalescer::max_packets);
        for (const auto& run : coalescer_.arrange(batch_, link_, udp_)) {
            auto& members = result.emplace_back();
            for (const iovec& part : coalescer_.gather(run, batch_, parts)) {
                const std::size_t skipped = members.empty() ? 0 : run.headers;
                members.push_back(index_of.at(static_cast<std::uint8_t*>(part.iov_base) - skipped));
            }
            check_bytes(run, members);
        }
        return result;
    }

  private:
    // Whoever cuts the run into packets gets those that went in.
    void check_bytes(const Coalescer::Run& run, const std::vector<std::size_t>& members) {
        if (run.count == 1) {
            CHECK(bytes_of(batch_[run.first]) == packets_[run.first]);
            return;
        }
        const Packet joined = test::join(pool_, coalescer_, run, batch_);
        const bool tagged = link_ == LinkLayer::ethernet && joined.data()[12] == 0x81;
        const auto network = static_cast<std::uint16_t>(link_ == LinkLayer::none ? 0 : tagged ? 18 : 14);
        const auto segmenter = Segmenter::of(joined, network);
        REQUIRE(segmenter.has_value());
        REQUIRE(segmenter->count() == run.count);
        for (std::size_t i = 0; i < run.count; ++i) {
            Bytes written(segmenter->size(i));
            segmenter->write(i, written.data());
            CHECK(written == packets_[members[i]]);
        }
    }

    PacketPool pool_{300};
    std::vector<Bytes> packets_;
    std::vector<Packet> batch_;
    Coalescer coalescer_;
    LinkLayer link_;
    bool udp_;
};

using Runs = std::vector<std::vector<std::size_t>>;

LinkLayer link_of(const Shape& shape) {
    return shape.link.empty() ? LinkLayer::none : LinkLayer::ethernet;
}

void fix_checksums(const SuperFrame& spec, Bytes& packet) {
    const std::size_t network = spec.network();
    if (!spec.is_v6) {
        const std::span header = std::span(packet).subspan(network, (packet[network] & 15U) * std::size_t{4});
        put16(header, 10, 0);
        put16(header, 10, naive_checksum(header));
    }
    const std::span transport = std::span(packet).subspan(spec.transport());
    const std::size_t field = spec.is_tcp ? 16 : 6;
    put16(transport, field, 0);
    put16(transport, field,
          transport_checksum(spec.source, spec.destination, spec.is_tcp ? 6 : 17, transport));
}

}  // namespace

TEST_CASE("packets of one flow that follow one another become one run") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        CHECK(Batch({packet_of(spec, 0), packet_of(spec, 1), packet_of(spec, 2)}, link_of(shape)).runs() ==
              Runs{{0, 1, 2}});
    }
}

TEST_CASE("a smaller packet ends its run, a larger one begins another") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        SuperFrame larger = spec;
        larger.gso_size = 150;
        larger.sequence = spec.sequence + 50 - 150;
        larger.identification = spec.identification;
        CHECK(Batch({packet_of(spec, 0), packet_of(spec, 1, 50), packet_of(larger, 2, 150)}, link_of(shape))
                  .runs() == Runs{{0, 1}, {2}});
        CHECK(Batch({packet_of(spec, 0, 50), packet_of(spec, 1)}, link_of(shape)).runs() == Runs{{0}, {1}});
    }
}

TEST_CASE("flows that take turns are joined each") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame a = flow(shape);
        const SuperFrame b = flow(shape, 1001);
        CHECK(Batch({packet_of(a, 0), packet_of(b, 0), packet_of(a, 1), packet_of(b, 1), packet_of(a, 2)},
                    link_of(shape))
                  .runs() == Runs{{0, 2, 4}, {1, 3}});
    }
}

TEST_CASE("what follows with a difference in anything but the numbers begins a run of its own") {
    struct Difference {
        const char* what;
        bool only_v4;
        bool only_tcp;
        std::function<void(SuperFrame&)> make;
    };

    const Difference differences[] = {
        {"the destination's MAC address", false, false, [](SuperFrame& f) { f.link[0] ^= 4; }},
        {"the source's MAC address", false, false, [](SuperFrame& f) { f.link[11] ^= 1; }},
        {"the source address", false, false,
         [](SuperFrame& f) { f.source = ip(f.is_v6 ? "2001:db8::3" : "10.0.0.3"); }},
        {"the destination address", false, false,
         [](SuperFrame& f) { f.destination = ip(f.is_v6 ? "2001:db8::3" : "10.0.0.3"); }},
        {"the source port", false, false, [](SuperFrame& f) { ++f.source_port; }},
        {"the destination port", false, false, [](SuperFrame& f) { ++f.destination_port; }},
        {"ECN", false, false, [](SuperFrame& f) { f.tos ^= 3; }},
        {"DSCP", false, false, [](SuperFrame& f) { f.tos ^= 0x20; }},
        {"TTL", false, false, [](SuperFrame& f) { --f.ttl; }},
        {"DF", true, false, [](SuperFrame& f) { f.fragment_flags ^= 0x4000; }},
        {"an identification that stays", true, false, [](SuperFrame& f) { --f.identification; }},
        {"an identification left out", true, false, [](SuperFrame& f) { ++f.identification; }},
        {"a gap in the sequence", false, true, [](SuperFrame& f) { ++f.sequence; }},
        {"an overlap in the sequence", false, true, [](SuperFrame& f) { --f.sequence; }},
        {"the acknowledgment", false, true, [](SuperFrame& f) { ++f.acknowledgment; }},
        {"the window", false, true, [](SuperFrame& f) { ++f.window; }},
        {"an option", false, true, [](SuperFrame& f) { ++f.tcp_options[7]; }},
        {"the number of options", false, true, [](SuperFrame& f) { f.tcp_options.resize(16); }},
    };
    for (const Shape& shape : shapes) {
        for (const Difference& difference : differences) {
            if (difference.only_v4 && shape.is_v6) continue;
            if (difference.only_tcp && !shape.is_tcp) continue;
            const SuperFrame spec = flow(shape);
            SuperFrame other = spec;
            if (shape.link.empty()) other.link = macs;  // for the first two rows
            difference.make(other);
            if (shape.link.empty()) {
                if (other.link != macs) continue;
                other.link = {};
            }
            CAPTURE(shape.name);
            CAPTURE(difference.what);
            CHECK(Batch({packet_of(spec, 0), packet_of(other, 1)}, link_of(shape)).runs() == Runs{{0}, {1}});
        }
    }
    SuperFrame labeled = flow(shapes[1]);
    labeled.flow_label = 5;
    CHECK(Batch({packet_of(flow(shapes[1]), 0), packet_of(labeled, 1)}).runs() == Runs{{0}, {1}});
    SuperFrame other_vlan = flow(shapes[6]);
    other_vlan.link[15] = 11;
    CHECK(Batch({packet_of(flow(shapes[6]), 0), packet_of(other_vlan, 1)}).runs() == Runs{{0}, {1}});
    CHECK(Batch({packet_of(flow(shapes[0]), 0), packet_of(flow(shapes[6]), 1)}).runs() == Runs{{0}, {1}});
}

TEST_CASE("flags decide what TCP's packets may be in a run") {
    constexpr unsigned ack = TcpHeader::ack;

    struct Case {
        const char* what;
        std::vector<unsigned> flags;
        Runs runs;
    };

    const Case cases[] = {
        {"PSH ends a run", {ack, ack | TcpHeader::psh, ack}, {{0, 1}, {2}}},
        {"FIN ends a run", {ack, ack | TcpHeader::fin, ack}, {{0, 1}, {2}}},
        {"both end a run", {ack, ack, ack | TcpHeader::fin | TcpHeader::psh}, {{0, 1, 2}}},
        {"PSH begins none", {ack | TcpHeader::psh, ack, ack}, {{0}, {1, 2}}},
        {"ECE in all is kept", {ack | TcpHeader::ece, ack | TcpHeader::ece}, {{0, 1}}},
        {"ECE in one is kept apart", {ack, ack | TcpHeader::ece}, {{0}, {1}}},
        {"CWR stays alone", {ack | TcpHeader::cwr, ack, ack}, {{0}, {1, 2}}},
        {"CWR ends its flow's run", {ack, ack | TcpHeader::cwr, ack}, {{0}, {1}, {2}}},
        {"SYN stays alone", {ack | TcpHeader::syn, ack | TcpHeader::syn}, {{0}, {1}}},
        {"RST stays alone", {ack, ack | TcpHeader::rst}, {{0}, {1}}},
        {"URG stays alone", {ack | TcpHeader::urg, ack | TcpHeader::urg}, {{0}, {1}}},
        {"without ACK it stays alone", {0, 0}, {{0}, {1}}},
    };
    for (const Shape& shape : shapes) {
        if (!shape.is_tcp) continue;
        for (const Case& row : cases) {
            CAPTURE(shape.name);
            CAPTURE(row.what);
            std::vector<Bytes> packets;
            packets.reserve(row.flags.size());
            for (std::size_t i = 0; i < row.flags.size(); ++i) {
                packets.push_back(packet_of(flow(shape), i, 100, row.flags[i]));
            }
            CHECK(Batch(packets, link_of(shape)).runs() == row.runs);
        }
    }
}

TEST_CASE("a pure acknowledgment goes alone: it ends its own flow's run, and no other's") {
    for (const Shape& shape : shapes) {
        if (!shape.is_tcp) continue;
        CAPTURE(shape.name);
        const SuperFrame a = flow(shape);
        for (unsigned other = 1001; other < 1101; ++other) {
            CHECK(
                Batch({packet_of(a, 0), packet_of(flow(shape, other), 0, 0), packet_of(a, 1)}, link_of(shape))
                    .runs() == Runs{{0, 2}, {1}});
        }
        CHECK(Batch({packet_of(a, 0), packet_of(a, 1, 0), packet_of(a, 2)}, link_of(shape)).runs() ==
              Runs{{0}, {1}, {2}});
    }
}

TEST_CASE("a packet with a wrong checksum goes as it is") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        for (std::size_t bad = 0; bad < 3; ++bad) {
            std::vector<Bytes> packets = {packet_of(spec, 0), packet_of(spec, 1), packet_of(spec, 2)};
            packets[bad].back() ^= 1;
            const Runs expected[] = {{{0}, {1, 2}}, {{0}, {1}, {2}}, {{0, 1}, {2}}};
            CHECK(Batch(packets, link_of(shape)).runs() == expected[bad]);
            if (shape.is_v6) continue;
            packets[bad].back() ^= 1;
            packets[bad][spec.network() + 10] ^= 1;  // the IP header's
            CHECK(Batch(packets, link_of(shape)).runs() == expected[bad]);
        }
    }
}

TEST_CASE("a checksum of zero that is written as its other form goes as it is") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        const std::size_t field = spec.transport() + (spec.is_tcp ? 16 : 6);
        const unsigned usual = spec.is_tcp ? 0 : 0xFFFF;
        Bytes second = packet_of(spec, 1);
        const std::size_t end = second.size() - 2;
        put16(second, end, (get16(second, end) + get16(second, field)) % 0xFFFF);
        fix_checksums(spec, second);
        put16(second, field, usual);
        CHECK(Batch({packet_of(spec, 0), second}, link_of(shape)).runs() == Runs{{0, 1}});
        put16(second, field, usual ^ 0xFFFFU);
        CHECK(Batch({packet_of(spec, 0), second}, link_of(shape)).runs() == Runs{{0}, {1}});

        if (shape.is_v6) continue;
        SuperFrame with_zero = spec;  // the IP header's, of the second packet
        const Bytes header = packet_of(spec, 1);
        with_zero.identification =
            (spec.identification + 1 + get16(header, spec.network() + 10)) % 0xFFFF - 1;
        second = packet_of(with_zero, 1);
        REQUIRE(get16(second, spec.network() + 10) == 0);
        CHECK(Batch({packet_of(with_zero, 0), second}, link_of(shape)).runs() == Runs{{0, 1}});
        put16(second, spec.network() + 10, 0xFFFF);
        CHECK(Batch({packet_of(with_zero, 0), second}, link_of(shape)).runs() == Runs{{0}, {1}});
    }
}

TEST_CASE("what cannot be cut again as it was goes as it is") {
    struct Case {
        const char* what;
        std::size_t shape;
        std::function<void(const SuperFrame&, Bytes&)> make;
    };

    const Case cases[] = {
        {"UDP without a checksum", 2, [](const SuperFrame& f, Bytes& p) { put16(p, f.transport() + 6, 0); }},
        {"a UDP length that is not the datagram's", 2,
         [](const SuperFrame& f, Bytes& p) {
             put16(p, f.transport() + 4, 50);
             fix_checksums(f, p);
         }},
        {"a first fragment", 2,
         [](const SuperFrame& f, Bytes& p) {
             p[f.network() + 6] = 0x20;
             fix_checksums(f, p);
         }},
        {"a TCP header that reaches beyond the packet", 0,
         [](const SuperFrame& f, Bytes& p) { p.resize(f.transport() + 30); }},
        {"a TCP header shorter than its fixed part", 0,
         [](const SuperFrame& f, Bytes& p) {
             p[f.transport() + 12] = 0x40;
             fix_checksums(f, p);
         }},
        {"padding behind the datagram", 0, [](const SuperFrame&, Bytes& p) { p.push_back(0); }},
        {"a frame with two tags", 6,
         [](const SuperFrame&, Bytes& p) {
             const Bytes tag = {0x81, 0, 0, 20};
             p.insert(p.begin() + 12, tag.begin(), tag.end());
         }},
        {"a frame with a service tag", 6, [](const SuperFrame&, Bytes& p) { put16(p, 12, 0x88A8); }},
    };
    for (const Case& row : cases) {
        CAPTURE(row.what);
        const SuperFrame spec = flow(shapes[row.shape]);
        std::vector<Bytes> packets = {packet_of(spec, 0), packet_of(spec, 1)};
        for (Bytes& packet : packets) row.make(spec, packet);
        CHECK(Batch(packets).runs() == Runs{{0}, {1}});
    }
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        SuperFrame spec = flow(shape);
        CHECK(Batch({packet_of(spec, 0, 0), packet_of(spec, 0, 0)}, link_of(shape)).runs() ==
              Runs{{0}, {1}});  // no payload
        spec.extension = 8;     // IP options, or an extension header
        CHECK(Batch({packet_of(spec, 0), packet_of(spec, 1)}, link_of(shape)).runs() == Runs{{0}, {1}});
    }
}

TEST_CASE("what cannot be joined ends its flow's run, so that nothing overtakes it") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        SuperFrame obscure = spec;  // whose ports are not looked for
        obscure.extension = 8;
        CHECK(Batch({packet_of(spec, 0), packet_of(obscure, 0), packet_of(spec, 1)}, link_of(shape)).runs() ==
              Runs{{0}, {1}, {2}});
        SuperFrame elsewhere = obscure;
        elsewhere.destination = ip(spec.is_v6 ? "2001:db8::9" : "10.0.0.9");
        CHECK(
            Batch({packet_of(spec, 0), packet_of(elsewhere, 0), packet_of(spec, 1)}, link_of(shape)).runs() ==
            Runs{{0, 2}, {1}});
        for (const bool is_super_frame : {true, false}) {
            Batch batch({packet_of(spec, 0), packet_of(spec, 1), packet_of(spec, 2)}, link_of(shape));
            batch.prepare = [&](std::size_t index, Packet& packet) {
                if (index != 1) return;
                packet.offload().needs_checksum = !is_super_frame;
                if (is_super_frame) packet.offload().gso = Offload::Gso::tcp4;
            };
            CHECK(batch.runs() == Runs{{0}, {1}, {2}});
        }
    }
}

TEST_CASE("UDP is joined only for a device that takes its super-frames") {
    for (const Shape& shape : shapes) {
        if (shape.is_tcp) continue;
        CHECK(Batch({packet_of(flow(shape), 0), packet_of(flow(shape), 1)}, link_of(shape), false).runs() ==
              Runs{{0}, {1}});
    }
}

TEST_CASE("a run has as many packets and bytes as a super-frame may") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        SuperFrame spec = flow(shape);
        std::vector<Bytes> packets;
        packets.reserve(200);
        for (std::size_t i = 0; i < 200; ++i) packets.push_back(packet_of(spec, i));
        const Runs many = Batch(packets, link_of(shape)).runs();
        REQUIRE(many.size() == 2);
        CHECK(many[0].size() == Coalescer::max_packets);

        spec.gso_size = 1400;
        packets.clear();
        for (std::size_t i = 0; i < 50; ++i) packets.push_back(packet_of(spec, i, 1400));
        const Runs large = Batch(packets, link_of(shape)).runs();
        REQUIRE(large.size() == 2);
        CHECK(large[0].size() == 46);
    }
}

namespace {

// What is known of a packet's flow, for its order: a stupid second opinion.
std::string flow_name(const Bytes& packet) {
    if (packet.size() < 14 + 4) return {};
    const std::size_t network = get16(packet, 12) == 0x8100 ? 18 : 14;
    const unsigned type = get16(packet, network - 2);
    const auto text = [&](std::size_t from, std::size_t size) {
        if (packet.size() < from + size) return std::string{};
        return std::string(packet.begin() + static_cast<std::ptrdiff_t>(from),
                           packet.begin() + static_cast<std::ptrdiff_t>(from + size));
    };
    if (type == 0x0800 && packet.size() >= network + 20) {
        const unsigned protocol = packet[network + 9];
        if (protocol != 6 && protocol != 17) return {};
        const std::size_t ports = network + (packet[network] & 15U) * std::size_t{4};
        return "4" + text(network + 12, 8) + text(ports, 4);
    }
    if (type == 0x86DD && packet.size() >= network + 40) {
        const unsigned protocol = packet[network + 6];
        if (protocol != 6 && protocol != 17) return {};
        return "6" + text(network + 8, 32) + text(network + 40, 4);
    }
    return {};
}

std::vector<Bytes> random_batch(std::mt19937& random) {
    std::vector<SuperFrame> flows;
    std::vector<std::size_t> sent(24);
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const Shape& shape = shapes[random() % 4];
        flows.push_back(flow(shape, static_cast<unsigned>(1000 + i)));
        if (random() % 4 == 0) flows.back().link = shapes[6].link;
    }
    std::vector<Bytes> packets;
    const std::size_t active = 1 + random() % flows.size();
    while (packets.size() < 64) {
        const std::size_t which = random() % active;
        unsigned flags = TcpHeader::ack;
        if (random() % 16 == 0) flags |= TcpHeader::psh;
        const std::size_t size = random() % 16 == 0 ? random() % 101 : 100;
        Bytes packet = packet_of(flows[which], sent[which]++, size, flags);
        if (random() % 8 == 0)
            packet[random() % packet.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
        if (random() % 16 == 0) packet.resize(random() % packet.size());
        packets.push_back(packet);
    }
    return packets;
}

}  // namespace

TEST_CASE("random batches with mutated packets: every packet once, unchanged, each flow in order") {
    std::mt19937 random(6);
    std::size_t joined = 0;
    for (int round = 0; round < 300; ++round) {
        CAPTURE(round);
        const std::vector<Bytes> packets = random_batch(random);
        std::vector<std::size_t> order;
        for (const auto& run : Batch(packets).runs()) {
            joined += run.size() - 1;
            order.insert(order.end(), run.begin(), run.end());
        }
        std::vector<std::size_t> sorted = order;
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t i = 0; i < packets.size(); ++i) REQUIRE(sorted[i] == i);
        std::map<std::string, std::size_t> last;
        for (const std::size_t index : order) {
            const std::string name = flow_name(packets[index]);
            if (name.empty()) continue;
            REQUIRE((!last.contains(name) || last[name] < index));
            last[name] = index;
        }
    }
    CHECK(joined > 5000);
}

TEST_CASE("every truncation and every mutation of one byte leaves the packets what they were") {
    for (const Shape& shape : shapes) {
        CAPTURE(shape.name);
        const SuperFrame spec = flow(shape);
        const std::vector<Bytes> whole = {packet_of(spec, 0), packet_of(spec, 1), packet_of(spec, 2)};
        const std::size_t headers = whole[1].size() - 100 + 2;
        for (std::size_t changed = 0; changed < whole.size(); ++changed) {
            for (std::size_t at = 0; at < headers; ++at) {
                std::vector<Bytes> packets = whole;
                packets[changed].resize(at);
                REQUIRE(!Batch(packets, link_of(shape)).runs().empty());
                for (const unsigned flip : {1U, 4U, 0x10U, 0x40U, 0xFFU}) {
                    packets = whole;
                    packets[changed][at] ^= static_cast<std::uint8_t>(flip);
                    const Runs wrong = Batch(packets, link_of(shape)).runs();
                    CHECK(wrong != Runs{{0, 1, 2}});
                    fix_checksums(spec, packets[changed]);
                    REQUIRE(!Batch(packets, link_of(shape)).runs().empty());
                }
            }
        }
    }
}
