#include "lab/pcapng.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::lab {

namespace {

constexpr std::size_t piece = std::size_t{64} << 10U;  // what the sink is given at a time, about

constexpr std::uint32_t section_header = 0x0A0D0D0A;
constexpr std::uint32_t interface_description = 1;
constexpr std::uint32_t enhanced_packet = 6;
constexpr std::uint32_t byte_order_magic = 0x1A2B3C4D;
constexpr std::uint16_t link_type_ethernet = 1;

constexpr std::uint16_t end_of_options = 0;
constexpr std::uint16_t application_name = 4;
constexpr std::uint16_t interface_name = 2;
constexpr std::uint16_t interface_text = 3;
constexpr std::uint16_t time_resolution = 9;
constexpr std::uint16_t packet_flags = 2;

}  // namespace

PcapngWriter::PcapngWriter(Sink sink, std::uint32_t snap) : sink_(std::move(sink)), snap_(snap) {
    const std::size_t begin = begin_block(section_header);
    put32(byte_order_magic);
    put16(1);  // version 1.0
    put16(0);
    put32(0xFFFF'FFFF);  // the section's length: not told
    put32(0xFFFF'FFFF);
    put_text(application_name, "weft lab");
    put_option(end_of_options, {});
    end_block(begin);
}

PcapngWriter::~PcapngWriter() {
    try {
        flush();
    } catch (...) {  // NOLINT(bugprone-empty-catch): as its declaration says
    }
}

std::uint32_t PcapngWriter::add_interface(std::string_view name, std::string_view description) {
    const std::size_t begin = begin_block(interface_description);
    put16(link_type_ethernet);
    put16(0);
    put32(snap_);
    put_text(interface_name, name);
    if (!description.empty()) put_text(interface_text, description);
    put_option(time_resolution, std::array<std::uint8_t, 1>{9});  // 10^-9 s
    put_option(end_of_options, {});
    end_block(begin);
    return interfaces_++;
}

void PcapngWriter::write(const Frame& frame) {
    const auto kept =
        snap_ == 0 ? frame.bytes : frame.bytes.first(std::min<std::size_t>(snap_, frame.bytes.size()));
    const std::size_t begin = begin_block(enhanced_packet);
    put32(frame.interface);
    put32(static_cast<std::uint32_t>(frame.nanoseconds >> 32U));
    put32(static_cast<std::uint32_t>(frame.nanoseconds));
    put32(static_cast<std::uint32_t>(kept.size()));
    put32(std::max(frame.original_size, static_cast<std::uint32_t>(frame.bytes.size())));
    put_padded(kept);
    if (frame.way != Way::unknown) {
        const auto direction = static_cast<std::uint8_t>(frame.way);
        put_option(packet_flags, std::array<std::uint8_t, 4>{direction, 0, 0, 0});
        put_option(end_of_options, {});
    }
    end_block(begin);
    if (buffer_.size() >= piece) flush();
}

void PcapngWriter::flush() {
    if (buffer_.empty()) return;
    // What the sink has refused once it is not given again.
    std::vector<std::uint8_t> piece_of_file;
    piece_of_file.swap(buffer_);
    sink_(piece_of_file);
    piece_of_file.clear();
    buffer_.swap(piece_of_file);
}

void PcapngWriter::put16(std::uint16_t value) {
    buffer_.insert(buffer_.end(), {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8U)});
}

void PcapngWriter::put32(std::uint32_t value) {
    buffer_.insert(buffer_.end(),
                   {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8U),
                    static_cast<std::uint8_t>(value >> 16U), static_cast<std::uint8_t>(value >> 24U)});
}

void PcapngWriter::put_padded(std::span<const std::uint8_t> bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    buffer_.resize((buffer_.size() + 3) & ~std::size_t{3});
}

void PcapngWriter::put_option(std::uint16_t code, std::span<const std::uint8_t> value) {
    put16(code);
    put16(static_cast<std::uint16_t>(value.size()));
    put_padded(value);
}

void PcapngWriter::put_text(std::uint16_t code, std::string_view text) {
    const std::string_view cut = text.substr(0, 255);
    put_option(code, {reinterpret_cast<const std::uint8_t*>(cut.data()), cut.size()});
}

// | type | total length | body | total length |
std::size_t PcapngWriter::begin_block(std::uint32_t type) {
    const std::size_t begin = buffer_.size();
    put32(type);
    put32(0);
    return begin;
}

void PcapngWriter::end_block(std::size_t begin) {
    const auto size = static_cast<std::uint32_t>(buffer_.size() - begin + 4);
    put32(size);
    for (std::size_t i = 0; i < 4; ++i) buffer_[begin + 4 + i] = static_cast<std::uint8_t>(size >> (8 * i));
}

}  // namespace weft::lab
