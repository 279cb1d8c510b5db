// Any bytes as a configuration file: read or refused with reasons, each in one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/diff.h"
#include "config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t largest = 16384;
    if (size > largest) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto config = weft::config::parse(text, "/nonexistent/fuzz.toml");
    if (config) {
        for (const auto& change : weft::config::diff(nullptr, &*config)) {
            if (to_string(change).empty()) std::abort();
        }
        if (!weft::config::diff(&*config, &*config).empty()) std::abort();
        return 0;
    }
    if (config.error().empty()) std::abort();
    for (const std::string& problem : config.error()) {
        if (problem.find('\n') != std::string::npos) std::abort();
    }
    return 0;
}
