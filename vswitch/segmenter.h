// Cuts a super-frame into the packets of the wire (TCP: RFC 9293, with sequence numbers, flags and IPv4
// identification as Linux makes them; UDP: one datagram a segment), each written in one pass into memory of
// the caller's:
//
//   0         network            transport        payload                        size
//   +---------+------------------+----------------+------------------------------+
//   | (frame) | IP, options,     | TCP + options  | gso_size | gso_size | rest   |   the super-frame
//   |         | extension hdrs   | or UDP         |                              |
//   +---------+------------------+----------------+------------------------------+
//
//   1. once a super-frame: check that the headers agree with one another and with the offload metadata, and
//      add up what all segments have in common: the IPv4 header, the pseudo-header, the transport header;
//   2. once a segment: copy the headers and write length, identification, sequence number and flags;
//   3. copy the payload, adding it up on the way, and complete both checksums from the sums.
//
// The headers are the template: nothing is allocated. A packet that is no super-frame is its only segment;
// if the device left its checksum to us, it is completed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "vswitch/checksum.h"
#include "vswitch/drop.h"
#include "vswitch/packet.h"

namespace weft {

class Segmenter {
  public:
    // `network`: offset of the IP header from data(). The packet must outlive the Segmenter, unchanged and
    // where it is. Drop::malformed when it contradicts itself.
    static std::expected<Segmenter, Drop> of(const Packet& packet, std::uint16_t network) noexcept;

    [[nodiscard]] std::size_t count() const noexcept { return count_; }  // at least 1

    // Bytes of segment `index`, headers included.
    [[nodiscard]] std::size_t size(std::size_t index) const noexcept {
        return payload_ + payload_size(index);
    }

    // Writes size(index) bytes, checksums complete. Segment 0 may be written over the packet itself, at
    // data(), when all others have been.
    void write(std::size_t index, std::uint8_t* out) const noexcept;

  private:
    Segmenter() = default;

    [[nodiscard]] static Segmenter of_plain(const Packet& packet) noexcept;
    [[nodiscard]] bool lay_out(const Packet& packet) noexcept;
    void add_up() noexcept;

    [[nodiscard]] std::size_t payload_size(std::size_t index) const noexcept {
        return index + 1 < count_ ? gso_size_ : size_ - payload_ - index * gso_size_;
    }

    void write_network(std::size_t index, std::uint8_t* out) const noexcept;
    void write_tcp(std::size_t index, ChecksumSum sum, std::uint8_t* out) const noexcept;
    void write_udp(std::size_t index, ChecksumSum sum, std::uint8_t* out) const noexcept;
    void write_plain(std::uint8_t* out) const noexcept;

    enum class Kind : std::uint8_t { plain, tcp, udp };

    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t network_ = 0;
    std::size_t transport_ = 0;  // plain: where the sum begins
    std::size_t payload_ = 0;
    std::size_t gso_size_ = 0;
    std::size_t count_ = 1;
    std::size_t checksum_field_ = 0;  // plain: to be completed; 0: none
    ChecksumSum network_sum_;         // IPv4 header without length, identification and checksum
    ChecksumSum transport_sum_;       // without lengths, sequence number, flags, checksum and payload
    std::uint32_t sequence_ = 0;      // of the first segment
    std::uint16_t identification_ = 0;
    std::uint8_t flags_ = 0;
    Kind kind_ = Kind::plain;
    bool is_v6_ = false;
};

// Size of the TCP header at bytes[transport], or of the UDP header if `gso` says so; 0 if it is not all
// there.
std::size_t transport_header_size(std::span<const std::uint8_t> bytes, std::size_t transport,
                                  Offload::Gso gso) noexcept;

}  // namespace weft
