#include "lab/simulation/capture_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

namespace weft::lab {

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t max_frame = 65535;
constexpr std::size_t max_total = std::size_t{1} << 30U;  // of bytes kept in memory
constexpr std::uint32_t ethernet = 1;

// Integers in the byte order of the file; asked for only where they are known to be there.
struct Reader {
    Bytes file;
    bool swapped = false;

    [[nodiscard]] std::uint16_t u16(std::size_t at) const noexcept {
        const auto value = static_cast<std::uint16_t>(file[at] | file[at + 1] << 8U);
        return swapped ? __builtin_bswap16(value) : value;
    }

    [[nodiscard]] std::uint32_t u32(std::size_t at) const noexcept {
        const std::uint32_t value = file[at] | std::uint32_t{file[at + 1]} << 8U |
                                    std::uint32_t{file[at + 2]} << 16U | std::uint32_t{file[at + 3]} << 24U;
        return swapped ? __builtin_bswap32(value) : value;
    }

    [[nodiscard]] bool has(std::size_t at, std::size_t size) const noexcept {
        return at <= file.size() && size <= file.size() - at;
    }
};

std::unexpected<CaptureMistake> mistake(std::size_t offset, std::string what) {
    return std::unexpected(CaptureMistake{offset, std::move(what)});
}

// Frames as they are found, with times that count from the first one.
class Collector {
  public:
    // Seconds of 2^64 parts of a second are too much for anybody: what does not fit is kept at the end.
    bool add(std::uint64_t nanoseconds, Bytes captured, std::uint32_t size) {
        const std::uint64_t whole =
            std::min<std::uint64_t>(std::max<std::uint64_t>(size, captured.size()), max_frame);
        total_ += whole;
        if (total_ > max_total) return false;
        if (frames.empty()) first_ = nanoseconds;
        const std::uint64_t since = nanoseconds > first_ ? nanoseconds - first_ : 0;
        constexpr std::uint64_t longest = std::numeric_limits<std::int64_t>::max() / 4;
        Duration at{static_cast<std::int64_t>(std::min(since, longest))};
        if (!frames.empty()) at = std::max(at, frames.back().at);
        CapturedFrame& frame = frames.emplace_back();
        frame.at = at;
        const Bytes kept = captured.first(std::min<std::size_t>(captured.size(), whole));
        frame.bytes.assign(kept.begin(), kept.end());
        frame.bytes.resize(whole);
        return true;
    }

    std::vector<CapturedFrame> frames;

  private:
    std::uint64_t first_ = 0;
    std::size_t total_ = 0;
};

using Result = std::expected<std::vector<CapturedFrame>, CaptureMistake>;

// | magic | version | zone | accuracy | snap | link type |, then | seconds | fraction | kept | size | bytes |
Result parse_pcap(Reader reader, std::uint64_t fraction) {
    constexpr std::size_t file_header = 24;
    constexpr std::size_t record_header = 16;
    if (!reader.has(0, file_header)) return mistake(0, "the header is cut off");
    const std::uint32_t link = reader.u32(20) & 0xFFFFU;
    if (link != ethernet) return mistake(20, fmt::format("link type {}, not Ethernet", link));
    Collector found;
    for (std::size_t at = file_header; at < reader.file.size();) {
        if (!reader.has(at, record_header)) return mistake(at, "a record's header is cut off");
        const std::uint32_t kept = reader.u32(at + 8);
        if (!reader.has(at + record_header, kept)) return mistake(at + 8, "a record is longer than the file");
        const std::uint64_t time =
            reader.u32(at) * std::uint64_t{1'000'000'000} + reader.u32(at + 4) * fraction;
        if (!found.add(time, reader.file.subspan(at + record_header, kept), reader.u32(at + 12)))
            return mistake(at, "more than 1 GiB of frames");
        at += record_header + kept;
    }
    return std::move(found.frames);
}

struct Interface {
    bool is_ethernet = false;
    std::uint64_t units = 1'000'000;  // a second
    std::int64_t offset = 0;          // seconds
};

// The options of an Interface Description that say what its times mean.
std::expected<Interface, CaptureMistake> parse_interface(const Reader& reader, std::size_t at,
                                                         std::size_t end) {
    constexpr std::size_t fixed = 8;
    if (end - at < fixed) return mistake(at, "an interface description is cut off");
    Interface interface{.is_ethernet = reader.u16(at) == ethernet};
    at += fixed;
    while (end - at >= 4) {
        const std::uint16_t code = reader.u16(at);
        const std::size_t size = reader.u16(at + 2);
        const std::size_t padded = (size + 3) & ~std::size_t{3};
        if (code == 0) break;
        if (end - at - 4 < padded) return mistake(at, "an option is longer than its block");
        if (code == 9 && size == 1) {
            const unsigned digits = reader.file[at + 4] & 0x7FU;
            const bool binary = (reader.file[at + 4] & 0x80U) != 0;
            if (digits > (binary ? 63U : 19U)) return mistake(at + 4, "a resolution finer than 64 bits tell");
            interface.units = 1;
            for (unsigned i = 0; i < digits; ++i) interface.units *= binary ? 2 : 10;
        }
        if (code == 14 && size == 8) {
            const auto [low, high] = reader.swapped ? std::pair{at + 8, at + 4} : std::pair{at + 4, at + 8};
            const std::uint64_t offset = std::uint64_t{reader.u32(high)} << 32U | reader.u32(low);
            interface.offset = static_cast<std::int64_t>(offset);
        }
        at += 4 + padded;
    }
    return interface;
}

std::uint64_t nanoseconds_of(const Interface& interface, std::uint64_t time) noexcept {
    constexpr std::uint64_t second = 1'000'000'000;
    const std::uint64_t seconds = time / interface.units + static_cast<std::uint64_t>(interface.offset);
    const auto part = static_cast<std::uint64_t>(static_cast<unsigned __int128>(time % interface.units) *
                                                 second / interface.units);
    return seconds > std::numeric_limits<std::uint64_t>::max() / second - 1
               ? std::numeric_limits<std::uint64_t>::max()
               : seconds * second + part;
}

class PcapngParser {
  public:
    explicit PcapngParser(Bytes file) : reader_{file} {}

    Result parse() {
        for (std::size_t at = 0; at < reader_.file.size();) {
            const auto size = block(at);
            if (!size) return std::unexpected(size.error());
            at += *size;
        }
        return std::move(found_.frames);
    }

  private:
    // The size of the block at `at`, whose frames are taken.
    std::expected<std::size_t, CaptureMistake> block(std::size_t at) {
        constexpr std::size_t smallest = 12;
        if (!reader_.has(at, smallest)) return mistake(at, "a block's header is cut off");
        const std::uint32_t type = reader_.u32(at);
        if (type == section_header) {
            if (const auto order = byte_order(at + 8); !order) return std::unexpected(order.error());
        }
        const std::size_t size = reader_.u32(at + 4);
        if (size < smallest || size % 4 != 0)
            return mistake(at + 4, fmt::format("a block of {} bytes", size));
        if (!reader_.has(at, size)) return mistake(at + 4, "a block is longer than the file");
        const std::size_t begin = at + 8;
        const std::size_t end = at + size - 4;
        std::expected<void, CaptureMistake> taken;
        if (type == 1) taken = interface(begin, end);
        if (type == 6) taken = enhanced(begin, end);
        if (type == 3) taken = simple(begin, end);
        if (!taken) return std::unexpected(taken.error());
        return size;
    }

    std::expected<void, CaptureMistake> byte_order(std::size_t at) {
        reader_.swapped = false;
        const std::uint32_t magic = reader_.u32(at);
        reader_.swapped = magic == 0x4D3C2B1A;
        if (magic != 0x1A2B3C4D && !reader_.swapped) return mistake(at, "a section without byte order");
        interfaces_.clear();
        return {};
    }

    std::expected<void, CaptureMistake> interface(std::size_t begin, std::size_t end) {
        constexpr std::size_t most = 65536;
        if (interfaces_.size() == most) return mistake(begin, "more than 65536 interfaces");
        const auto parsed = parse_interface(reader_, begin, end);
        if (!parsed) return std::unexpected(parsed.error());
        interfaces_.push_back(*parsed);
        return {};
    }

    std::expected<void, CaptureMistake> enhanced(std::size_t begin, std::size_t end) {
        constexpr std::size_t fixed = 20;
        if (end - begin < fixed) return mistake(begin, "a packet block is cut off");
        const std::uint64_t time = std::uint64_t{reader_.u32(begin + 4)} << 32U | reader_.u32(begin + 8);
        const std::size_t kept = reader_.u32(begin + 12);
        if (kept > end - begin - fixed) return mistake(begin + 12, "a packet is longer than its block");
        return take(begin, reader_.u32(begin), time, reader_.file.subspan(begin + fixed, kept),
                    reader_.u32(begin + 16));
    }

    // No time: with the one before it.
    std::expected<void, CaptureMistake> simple(std::size_t begin, std::size_t end) {
        if (end - begin < 4) return mistake(begin, "a packet block is cut off");
        const std::uint32_t size = reader_.u32(begin);
        const std::size_t kept = std::min<std::size_t>(size, end - begin - 4);
        return take(begin, 0, 0, reader_.file.subspan(begin + 4, kept), size);
    }

    std::expected<void, CaptureMistake> take(std::size_t at, std::uint32_t number, std::uint64_t time,
                                             Bytes kept, std::uint32_t size) {
        if (number >= interfaces_.size())
            return mistake(at, "a packet of an interface that is not described");
        const Interface& interface = interfaces_[number];
        if (!interface.is_ethernet) return mistake(at, "a packet of an interface that is not Ethernet");
        if (!found_.add(nanoseconds_of(interface, time), kept, size))
            return mistake(at, "more than 1 GiB of frames");
        return {};
    }

    static constexpr std::uint32_t section_header = 0x0A0D0D0A;  // the same in both byte orders

    Reader reader_;
    std::vector<Interface> interfaces_;
    Collector found_;
};

}  // namespace

Result parse_capture(Bytes file) {
    if (file.size() < 4) return mistake(0, "neither pcap nor pcapng");
    const Reader reader{file};
    switch (reader.u32(0)) {
        case 0x0A0D0D0A:
            return PcapngParser{file}.parse();
        case 0xA1B2C3D4:
            return parse_pcap(reader, 1000);
        case 0xA1B23C4D:
            return parse_pcap(reader, 1);
        case 0xD4C3B2A1:
            return parse_pcap({.file = file, .swapped = true}, 1000);
        case 0x4D3CB2A1:
            return parse_pcap({.file = file, .swapped = true}, 1);
        default:
            return mistake(0, "neither pcap nor pcapng");
    }
}

std::vector<CapturedFrame> load_capture(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream)
        throw std::runtime_error(fmt::format("{}: cannot be read: check the path and its permissions", file));
    const std::vector<char> text{std::istreambuf_iterator<char>(stream), {}};
    auto frames = parse_capture({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    if (!frames) {
        throw std::runtime_error(fmt::format(
            "{}: at byte {}: {}: give a pcap or pcapng of Ethernet frames (editcap repairs and converts)",
            file, frames.error().offset, frames.error().what));
    }
    return std::move(*frames);
}

}  // namespace weft::lab
