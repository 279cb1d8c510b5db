// Writes pcapng (draft-ietf-opsawg-pcapng): one section, Ethernet, times in nanoseconds, little-endian on
// every machine. Nothing in it depends on the machine or the time of day but what the caller gives: the same
// calls make the same bytes.
//
//   | Section Header | Interface Description ... | Enhanced Packet ... |
//
// Interfaces may be added between packets. What is written is collected, and handed to the sink in pieces:
// when it is much, and by flush().
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace weft::lab {

class PcapngWriter {
  public:
    using Sink = std::function<void(std::span<const std::uint8_t>)>;

    // From an interface's point of view (epb_flags).
    enum class Way : std::uint8_t { unknown, inbound, outbound };

    struct Frame {
        std::uint32_t interface = 0;    // what add_interface() has returned
        std::uint64_t nanoseconds = 0;  // since 1970-01-01 UTC
        Way way = Way::unknown;
        std::span<const std::uint8_t> bytes{};
        std::uint32_t original_size = 0;  // of which `bytes` are the first
    };

    // Of each frame at most `snap` bytes are kept; 0: all.
    explicit PcapngWriter(Sink sink, std::uint32_t snap = 0);
    ~PcapngWriter();  // flushes; who wants to hear what the sink throws has called flush() before
    PcapngWriter(const PcapngWriter&) = delete;
    PcapngWriter& operator=(const PcapngWriter&) = delete;

    // Names are UTF-8; what is longer than 255 bytes is cut.
    std::uint32_t add_interface(std::string_view name, std::string_view description = {});

    void write(const Frame& frame);

    void flush();

  private:
    void put16(std::uint16_t value);
    void put32(std::uint32_t value);
    void put_padded(std::span<const std::uint8_t> bytes);
    void put_option(std::uint16_t code, std::span<const std::uint8_t> value);
    void put_text(std::uint16_t code, std::string_view text);
    std::size_t begin_block(std::uint32_t type);
    void end_block(std::size_t begin);

    Sink sink_;
    std::uint32_t snap_;
    std::uint32_t interfaces_ = 0;
    std::vector<std::uint8_t> buffer_;
};

}  // namespace weft::lab
