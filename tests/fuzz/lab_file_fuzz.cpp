// Any bytes as a lab's file: read or refused with reasons, each in one line. What is read has nodes and links
// that refer to one another, and can be drawn.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lab/file/topology_file.h"
#include "lab/graph/graph.h"
#include "lab/hosts_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t largest = 16384;
    if (size > largest) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto topology = weft::lab::parse(text, "/nonexistent/fuzz.toml");
    if (!topology) {
        if (topology.error().empty()) std::abort();
        for (const std::string& problem : topology.error()) {
            if (problem.find('\n') != std::string::npos) std::abort();
        }
        return 0;
    }
    for (const auto& link : topology->links) {
        for (const auto& end : link.ends) {
            if (end.node >= topology->nodes.size()) std::abort();
        }
    }
    constexpr std::size_t most_drawn = 200;
    if (topology->nodes.size() > most_drawn) return 0;
    if (weft::lab::to_svg(*topology).empty() || weft::lab::to_dot(*topology).empty()) std::abort();
    if (weft::lab::hosts_file(*topology).empty()) std::abort();
    return 0;
}
