#include "cli/handover_carrier.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <doctest/doctest.h>

using namespace weft;
using Kind = HandoverCarrier::Kind;

namespace {

std::vector<std::uint8_t> some_state(std::size_t size) {
    std::vector<std::uint8_t> state(size);
    for (std::size_t i = 0; i < size; ++i) state[i] = static_cast<std::uint8_t>(i * 7 + 1);
    return state;
}

}  // namespace

TEST_CASE("a state is taken once, whatever holds it") {
    for (const Kind kind : {Kind::best, Kind::pipe}) {
        const auto state = some_state(70'000);
        const auto carrier = HandoverCarrier::fill(state, kind);
        REQUIRE(carrier);
        const auto taken = HandoverCarrier::take(*carrier);
        REQUIRE(taken);
        CHECK(std::ranges::equal(taken->bytes(), state));
        CHECK_FALSE(HandoverCarrier::take(*carrier));
    }
}

TEST_CASE("a copy of the descriptor gives nothing that was taken by the other") {
    for (const Kind kind : {Kind::best, Kind::pipe}) {
        const auto carrier = HandoverCarrier::fill(some_state(100), kind);
        REQUIRE(carrier);
        const Descriptor copy{::dup(carrier->get())};
        CHECK(HandoverCarrier::take(*carrier));
        CHECK_FALSE(HandoverCarrier::take(copy));
    }
}

TEST_CASE("of many who take at once one has it") {
    for (int round = 0; round < 50; ++round) {
        const auto carrier = HandoverCarrier::fill(some_state(5000));
        REQUIRE(carrier);
        std::atomic<int> whole = 0;
        {
            std::vector<std::jthread> takers;
            for (int i = 0; i < 4; ++i) {
                takers.emplace_back([&] {
                    const auto taken = HandoverCarrier::take(*carrier);
                    if (taken && taken->bytes().size() == 5000) ++whole;
                });
            }
        }
        CHECK(whole <= 1);
    }
}

TEST_CASE("nothing of a state is left in its descriptor when it was taken") {
    const auto carrier = HandoverCarrier::fill(some_state(5000));
    REQUIRE(carrier);
    REQUIRE(HandoverCarrier::take(*carrier));
    const off_t size = ::lseek(carrier->get(), 0, SEEK_END);
    if (size <= 0) return;  // a pipe: it is empty
    void* const mapped =
        ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_SHARED, carrier->get(), 0);
    REQUIRE(mapped != MAP_FAILED);
    const auto* bytes = static_cast<const std::uint8_t*>(mapped);
    CHECK(std::ranges::all_of(bytes + 16, bytes + size, [](std::uint8_t byte) { return byte == 0; }));
    ::munmap(mapped, static_cast<std::size_t>(size));
}

TEST_CASE("a pipe takes no more than it is sure to hold") {
    CHECK(HandoverCarrier::fill(some_state(HandoverCarrier::pipe_size), Kind::pipe));
    CHECK_FALSE(HandoverCarrier::fill(some_state(HandoverCarrier::pipe_size + 1), Kind::pipe));
}

TEST_CASE("what is no such descriptor gives nothing") {
    CHECK_FALSE(HandoverCarrier::take(Descriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)}));
    CHECK_FALSE(HandoverCarrier::take(Descriptor{::memfd_create("empty", MFD_CLOEXEC)}));
    CHECK_FALSE(HandoverCarrier::take(Descriptor{}));
    const Descriptor other{::memfd_create("other", MFD_CLOEXEC)};
    REQUIRE(::ftruncate(other.get(), 4096) == 0);
    CHECK_FALSE(HandoverCarrier::take(other));
}
