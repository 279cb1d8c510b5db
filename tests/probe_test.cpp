#include "overlay/probe.h"

#include <vector>

#include <doctest/doctest.h>

using namespace weft;

TEST_CASE("a question and its answer are read as they were written") {
    for (const auto kind : {ProbeMessage::Kind::question, ProbeMessage::Kind::answer}) {
        std::array<std::uint8_t, ProbeMessage::size> bytes{};
        ProbeMessage{kind, 0x0123456789ABCDEF}.write(bytes);
        CHECK(bytes[4] == 0x01);
        CHECK(bytes[11] == 0xEF);
        const auto read = ProbeMessage::parse(bytes);
        REQUIRE(read);
        CHECK(read->kind == kind);
        CHECK(read->id == 0x0123456789ABCDEF);
    }
}

TEST_CASE("what is too short or of another kind is no message, and what follows one is passed over") {
    std::vector<std::uint8_t> bytes(1400);
    ProbeMessage{ProbeMessage::Kind::question, 9}.write(std::span{bytes}.first<ProbeMessage::size>());
    for (std::size_t size = 0; size < ProbeMessage::size; ++size)
        CHECK_FALSE(ProbeMessage::parse(std::span{bytes}.first(size)));
    CHECK(ProbeMessage::parse(bytes));
    for (int kind = 0; kind < 256; ++kind) {
        bytes[0] = static_cast<std::uint8_t>(kind);
        CHECK(ProbeMessage::parse(bytes).has_value() == (kind == 1 || kind == 2));
    }
}
