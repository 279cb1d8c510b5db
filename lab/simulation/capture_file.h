// Reads the frames of a capture: pcap (both byte orders, micro- and nanoseconds) or pcapng. Only Ethernet is
// taken. The bytes are anybody's: every length is checked before what it measures is read.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "vswitch/id.h"

namespace weft::lab {

struct CapturedFrame {
    Duration at{0};  // since the first one; never earlier than the one before it
    std::vector<std::uint8_t> bytes;
};

struct CaptureMistake {
    std::size_t offset = 0;  // in the file
    std::string what;

    friend bool operator==(const CaptureMistake&, const CaptureMistake&) = default;
};

// Frames of which the capture has not all bytes are filled with zeros up to their size, or cut where no frame
// can be that large.
std::expected<std::vector<CapturedFrame>, CaptureMistake> parse_capture(std::span<const std::uint8_t> file);

// Throws std::runtime_error with FILE: what: cure.
std::vector<CapturedFrame> load_capture(const std::string& file);

}  // namespace weft::lab
