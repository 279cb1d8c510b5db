// Super-frames and what becomes of them on the wire, by description: the reference writes each packet from
// the RFCs' figures and adds up its checksum word by word, and shares no code with vswitch/.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/datagrams.h"
#include "vswitch/coalesce.h"
#include "vswitch/gso.h"

namespace weft::test {

struct SuperFrame {
    bool is_v6 = false;
    bool is_tcp = true;
    Bytes link{};      // Ethernet header and tags without the last ether type; empty: a datagram
    unsigned tos = 0;  // or traffic class
    unsigned flow_label = 0;
    unsigned ttl = 64;
    unsigned identification = 0;
    unsigned fragment_flags = 0x4000;
    unsigned extension = 0;  // bytes of IPv4 options, or of an IPv6 destination options header
    IpAddress source{};
    IpAddress destination{};
    unsigned source_port = 1000;
    unsigned destination_port = 2000;
    std::uint32_t sequence = 1;
    std::uint32_t acknowledgment = 1;
    unsigned flags = TcpHeader::ack;
    unsigned window = 500;
    Bytes tcp_options{};
    std::size_t gso_size = 1000;
    Bytes payload{};

    [[nodiscard]] std::size_t network() const { return link.empty() ? 0 : link.size() + 2; }

    [[nodiscard]] std::size_t transport() const { return network() + (is_v6 ? 40 : 20) + extension; }

    [[nodiscard]] std::size_t count() const {
        return std::max<std::size_t>(1, (payload.size() + gso_size - 1) / gso_size);
    }
};

// A packet with the description's headers around `payload`; `partial`: with the pseudo-header's sum only.
inline Bytes write_packet(const SuperFrame& spec, std::span<const std::uint8_t> payload, std::size_t index,
                          unsigned flags, bool partial) {
    const std::uint8_t protocol = spec.is_tcp ? 6 : 17;
    Bytes transport;
    append16(transport, spec.source_port);
    append16(transport, spec.destination_port);
    if (spec.is_tcp) {
        append32(transport, static_cast<std::uint32_t>(spec.sequence + index * spec.gso_size));
        append32(transport, spec.acknowledgment);
        transport.push_back(static_cast<std::uint8_t>((20 + spec.tcp_options.size()) / 4 << 4U));
        transport.push_back(static_cast<std::uint8_t>(flags));
        append16(transport, spec.window);
        append32(transport, 0);
        append(transport, spec.tcp_options);
    } else {
        append16(transport, static_cast<unsigned>(8 + payload.size()));
        append16(transport, 0);
    }
    const std::size_t field = spec.is_tcp ? 16 : 6;
    append(transport, payload);
    if (partial) {
        const Bytes pseudo = with_pseudo_header(spec.source, spec.destination, protocol, Bytes{});
        unsigned sum = (~naive_checksum(pseudo) & 0xFFFFU) + static_cast<unsigned>(transport.size());
        if (sum > 0xFFFF) sum -= 0xFFFF;
        put16(transport, field, sum);
    } else {
        const unsigned sum = transport_checksum(spec.source, spec.destination, protocol, transport);
        put16(transport, field, sum == 0 && !spec.is_tcp ? 0xFFFF : sum);
    }

    Bytes packet = spec.link;
    if (!spec.link.empty()) append16(packet, spec.is_v6 ? 0x86DD : 0x0800);
    const std::size_t network = packet.size();
    if (spec.is_v6) {
        append32(packet, 6U << 28U | spec.tos << 20U | spec.flow_label);
        append16(packet, static_cast<unsigned>(spec.extension + transport.size()));
        packet.push_back(spec.extension > 0 ? 60 : protocol);
        packet.push_back(static_cast<std::uint8_t>(spec.ttl));
        append(packet, spec.source.bytes());
        append(packet, spec.destination.bytes());
        if (spec.extension > 0) {
            Bytes options(spec.extension, 0);  // one PadN
            options[0] = protocol;
            options[1] = static_cast<std::uint8_t>(spec.extension / 8 - 1);
            options[2] = 1;
            options[3] = static_cast<std::uint8_t>(spec.extension - 4);
            append(packet, options);
        }
    } else {
        packet.push_back(static_cast<std::uint8_t>(0x45 + spec.extension / 4));
        packet.push_back(static_cast<std::uint8_t>(spec.tos));
        append16(packet, static_cast<unsigned>(20 + spec.extension + transport.size()));
        append16(packet, (spec.identification + static_cast<unsigned>(index)) & 0xFFFFU);
        append16(packet, spec.fragment_flags);
        packet.push_back(static_cast<std::uint8_t>(spec.ttl));
        packet.push_back(protocol);
        append16(packet, 0);
        append(packet, spec.source.bytes());
        append(packet, spec.destination.bytes());
        append(packet, Bytes(spec.extension, 1));
        const std::span header = std::span(packet).subspan(network);
        put16(header, 10, naive_checksum(header));
    }
    append(packet, transport);
    return packet;
}

// The packets of the wire.
inline std::vector<Bytes> reference_segments(const SuperFrame& spec) {
    std::vector<Bytes> segments;
    for (std::size_t i = 0; i < spec.count(); ++i) {
        const std::size_t from = i * spec.gso_size;
        const std::size_t size = std::min(spec.gso_size, spec.payload.size() - from);
        unsigned flags = spec.flags;
        if (i > 0) flags &= ~unsigned{TcpHeader::cwr};
        if (i + 1 < spec.count()) flags &= ~unsigned{TcpHeader::fin | TcpHeader::psh};
        segments.push_back(write_packet(spec, std::span(spec.payload).subspan(from, size), i, flags, false));
    }
    return segments;
}

inline Packet make_super_frame(PacketPool& pool, const SuperFrame& spec) {
    Packet packet = pool.take(write_packet(spec, spec.payload, 0, spec.flags, true));
    packet.offload() = {.gso = !spec.is_tcp ? Offload::Gso::udp
                               : spec.is_v6 ? Offload::Gso::tcp6
                                            : Offload::Gso::tcp4,
                        .ecn = (spec.flags & TcpHeader::cwr) != 0,
                        .needs_checksum = true,
                        .gso_size = static_cast<std::uint16_t>(spec.gso_size),
                        .checksum_offset = static_cast<std::uint16_t>(spec.is_tcp ? 16 : 6)};
    packet.set_checksum_start(spec.transport());
    return packet;
}

inline Bytes bytes_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

// A run in one piece, as its receiver gets it.
inline Packet join(PacketPool& pool, const Coalescer& coalescer, const Coalescer::Run& run,
                   std::span<Packet> batch) {
    std::vector<iovec> room(run.count);
    Bytes bytes;
    for (const iovec& part : coalescer.gather(run, batch, room)) {
        append(bytes, {static_cast<const std::uint8_t*>(part.iov_base), part.iov_len});
    }
    Packet packet = pool.take(bytes);
    packet.offload() = batch[run.first].offload();
    packet.set_checksum_start(batch[run.first].checksum_start());
    return packet;
}

}  // namespace weft::test
