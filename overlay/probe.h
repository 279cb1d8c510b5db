// What two nodes say to each other inside ESP, beside packets: questions whether a packet of some size gets
// through (path_search.h), or whether anybody is there (liveness.h). They travel with next header 59: to any
// other implementation they are dummy packets, which RFC 4303 section 2.6 has discarded silently.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+-----------------------------------------------+
//   | kind          | 0                                             |   kind: 1 question, 2 answer
//   +---------------+-----------------------------------------------+
//   | identifier (8 bytes): the asker's, returned as it came        |
//   +                                                               +
//   |                                                               |
//   +---------------------------------------------------------------+
//   | zeros, to the size that is asked about                        |   question only
//   +---------------------------------------------------------------+
//
// An empty payload is a keepalive. What is of another kind or too short is passed over.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "vswitch/wire.h"

namespace weft {

struct ProbeMessage {
    static constexpr std::size_t size = 12;

    enum class Kind : std::uint8_t { question = 1, answer = 2 };

    Kind kind = Kind::question;
    std::uint64_t id = 0;

    static std::optional<ProbeMessage> parse(std::span<const std::uint8_t> payload) noexcept {
        if (payload.size() < size) return std::nullopt;
        const auto kind = static_cast<Kind>(payload[0]);
        if (kind != Kind::question && kind != Kind::answer) return std::nullopt;
        be64 id;
        std::memcpy(&id, payload.data() + 4, sizeof(id));
        return ProbeMessage{kind, id.value()};
    }

    void write(std::span<std::uint8_t, size> out) const noexcept {
        const be64 wire{id};
        out[0] = static_cast<std::uint8_t>(kind);
        out[1] = out[2] = out[3] = 0;
        std::memcpy(out.data() + 4, &wire, sizeof(wire));
    }
};

}  // namespace weft
