// Any bytes as a capture, and each of its frames as a TCP segment: read or refused, and never beyond the end.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "lab/simulation/capture_file.h"
#include "lab/simulation/tcp_segment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes{data, size};
    const auto frames = weft::lab::parse_capture(bytes);
    if (!frames) {
        if (frames.error().offset > size || frames.error().what.empty()) std::abort();
    } else {
        weft::Duration last{0};
        for (const auto& frame : *frames) {
            if (frame.at < last || frame.bytes.size() > 65535) std::abort();
            last = frame.at;
        }
    }
    if (const auto segment = weft::lab::parse_tcp(bytes); segment && segment->payload > size) std::abort();
    return 0;
}
