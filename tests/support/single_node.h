// One Datapath without any network around it: a test puts packets through its doors and takes what comes out,
// with virtual time. Everything that stands in an outbox after a call is copied out at once, so that the
// node's pool shows what it still holds: held().
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "crypto/esp.h"
#include "overlay/datapath.h"
#include "tests/support/packet_builder.h"

namespace weft::test {

using Packets = std::vector<Bytes>;

// What a local port was given.
struct Output {
    Bytes bytes;
    Offload offload;
    std::size_t checksum_start;  // from the first byte
};

// What was sent to the underlay.
struct Sent {
    Bytes bytes;
    Endpoint to;
    Channel channel;
    std::uint32_t flow_hash;
    PortId tunnel;
};

class SingleNode {
  public:
    explicit SingleNode(std::size_t pool_size = 256) : pool(pool_size), datapath(pool) {}

    [[nodiscard]] Topology& topology() noexcept { return datapath.topology(); }

    void from_port(PortId in, Packet packet) {
        datapath.from_port(in, {&packet, 1}, now);
        collect();
    }

    void from_port(PortId in, std::span<const std::uint8_t> bytes) { from_port(in, pool.take(bytes)); }

    void from_underlay(Channel channel, const Endpoint& from, std::span<const std::uint8_t> bytes) {
        from_underlay({.bytes = bytes, .datagram_size = bytes.size(), .from = from, .channel = channel});
    }

    void from_underlay(const ReceivedTrain& train) {
        datapath.from_underlay({&train, 1}, now);
        collect();
    }

    void tick(Duration later = Duration{0}) {
        now += later;
        datapath.tick(now);
        collect();
    }

    // Takes what came out of the port.
    std::vector<Output> outputs(PortId port) { return std::exchange(outputs_[port], {}); }

    std::vector<Bytes> at(PortId port) {
        std::vector<Bytes> packets;
        for (Output& output : outputs(port)) packets.push_back(std::move(output.bytes));
        return packets;
    }

    std::vector<Sent> sent() {
        collect();
        return std::exchange(sent_, {});
    }

    // All events of one kind, which are then forgotten like the others.
    template <class Kind>
    std::vector<Kind> events() {
        std::vector<Kind> found;
        for (const Event& event : datapath.events()) {
            if (const auto* one = std::get_if<Kind>(&event)) found.push_back(*one);
        }
        datapath.events().clear();
        return found;
    }

    [[nodiscard]] std::uint64_t drops(PortId port, Drop drop) { return datapath.drops(port)[drop]; }

    [[nodiscard]] std::uint64_t underlay_drops(Drop drop) { return datapath.underlay_drops()[drop]; }

    // Of every name, at every port and at none.
    [[nodiscard]] std::uint64_t all_drops() {
        std::uint64_t total = datapath.underlay_drops().total() + datapath.drops(no_port).total();
        for (const Port& port : topology().ports()) total += port.drops.total();
        return total;
    }

    // Packets that wait somewhere in the node.
    [[nodiscard]] std::size_t held() const noexcept { return pool.size() - pool.available(); }

    // Copies the outboxes out and empties them.
    void collect() {
        for (const PortId port : datapath.ports_with_output()) {
            for (const Packet& packet : datapath.port_outbox(port)) {
                outputs_[port].push_back({.bytes = {packet.bytes().begin(), packet.bytes().end()},
                                          .offload = packet.offload(),
                                          .checksum_start = packet.checksum_start()});
            }
            datapath.port_outbox(port).clear();
        }
        datapath.flushed();
        for (const DatagramTrain& train : datapath.underlay_outbox().trains()) {
            each_datagram(train.packet.bytes(), train.datagram_size,
                          [&](std::span<const std::uint8_t> bytes) {
                              sent_.push_back({.bytes = {bytes.begin(), bytes.end()},
                                               .to = train.to.remote,
                                               .channel = train.to.channel,
                                               .flow_hash = train.to.flow_hash,
                                               .tunnel = train.to.tunnel});
                          });
        }
        datapath.underlay_outbox().clear();
    }

    Instant now{std::chrono::seconds{1000}};
    PacketPool pool;
    Datapath datapath;

  private:
    std::map<PortId, std::vector<Output>> outputs_;
    std::vector<Sent> sent_;
};

// The keys of an SA, different for each SPI.
inline SaKeys sa_keys(std::uint32_t spi, Cipher cipher = Cipher::aes_128_gcm) {
    SaKeys keys;
    keys.spi = spi;
    keys.cipher = cipher;
    std::ranges::fill(keys.key.writable(), static_cast<std::uint8_t>(spi * 7 + 1));
    keys.salt = {1, 2, 3, static_cast<std::uint8_t>(spi)};
    return keys;
}

// A peer's end of a pair of SAs: seals what a test wants sealed, and opens what the node has sealed.
class SaEnd {
  public:
    SaEnd(std::uint32_t outbound_spi, std::uint32_t inbound_spi, std::uint64_t first_sequence = 1)
        : outbound_(sa_keys(outbound_spi), first_sequence, OutboundSa::max_packets),
          inbound_(sa_keys(inbound_spi)) {}

    Bytes seal(std::span<const std::uint8_t> payload, std::uint8_t next_header) {
        Bytes packet(Esp::sealed_size(payload.size()));
        std::ranges::copy(payload, packet.begin() + Esp::header_size);
        if (!Esp::seal(outbound_, packet, payload.size(), next_header)) packet.clear();
        return packet;
    }

    struct Opened {
        Bytes payload;  // empty if it did not open
        std::uint8_t next_header = 0;
        std::uint64_t sequence = 0;
    };

    Opened open(Bytes packet) {
        const auto opened = Esp::open_in_place(inbound_, packet);
        if (!opened) return {};
        const auto payload = std::span{packet}.subspan(Esp::header_size, opened->payload_size);
        return {{payload.begin(), payload.end()}, opened->next_header, opened->sequence};
    }

  private:
    OutboundSa outbound_;
    InboundSa inbound_;
};

// UDP and VXLAN around a frame, as they stand in an ESP packet.
inline Bytes in_vxlan(Vni vni, std::span<const std::uint8_t> frame, bool with_udp = true) {
    const auto size = static_cast<std::uint16_t>(frame.size() + 16);
    const std::uint32_t number = vni.value();
    const Bytes headers{0xC0,
                        0,
                        0x12,
                        0xB5,
                        static_cast<std::uint8_t>(size >> 8U),
                        static_cast<std::uint8_t>(size),
                        0,
                        0,
                        8,
                        0,
                        0,
                        0,
                        static_cast<std::uint8_t>(number >> 16U),
                        static_cast<std::uint8_t>(number >> 8U),
                        static_cast<std::uint8_t>(number),
                        0};
    const auto pushed = std::span{headers}.subspan(with_udp ? 0 : 8);
    Bytes bytes(pushed.size() + frame.size());
    std::ranges::copy(frame, std::ranges::copy(pushed, bytes.begin()).out);
    return bytes;
}

}  // namespace weft::test
