#include "cli/ring.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <thread>

#include <doctest/doctest.h>

using namespace weft;

TEST_CASE("what is pushed is popped in the same order") {
    Ring<int> ring(4);
    CHECK_FALSE(ring.pop().has_value());
    for (int value : {1, 2, 3}) CHECK(ring.push(value));
    for (const int value : {1, 2, 3}) CHECK(ring.pop() == value);
    CHECK_FALSE(ring.pop().has_value());
}

TEST_CASE("a full ring refuses a value and leaves it as it was") {
    for (const std::size_t capacity : {1U, 2U, 3U, 5U, 8U}) {
        CAPTURE(capacity);
        Ring<std::unique_ptr<int>> ring(capacity);
        auto value = std::make_unique<int>(0);
        std::size_t room = 0;
        while (ring.push(value)) {
            CHECK(value == nullptr);
            value = std::make_unique<int>(static_cast<int>(++room));
        }
        CHECK(room == std::bit_ceil(capacity));
        REQUIRE(value != nullptr);
        CHECK(*value == static_cast<int>(room));
        const auto first = ring.pop();
        REQUIRE(first.has_value());
        CHECK(first->get() != nullptr);
        CHECK(ring.push(value));
    }
}

TEST_CASE("a popped value is gone from the ring, and those that are left go with it") {
    const auto shared = std::make_shared<int>(1);
    {
        Ring<std::shared_ptr<int>> ring(4);
        for (int i = 0; i < 3; ++i) {
            auto copy = shared;
            CHECK(ring.push(copy));
        }
        CHECK(shared.use_count() == 4);
        CHECK(ring.pop().has_value());
        CHECK(shared.use_count() == 3);
    }
    CHECK(shared.use_count() == 1);
}

TEST_CASE("a ring does what a bounded queue does") {
    std::mt19937 random(7);
    Ring<std::uint32_t> ring(16);
    std::deque<std::uint32_t> queue;
    for (int step = 0; step < 100'000; ++step) {
        if (random() % 2 == 0) {
            auto value = static_cast<std::uint32_t>(random());
            const bool fits = queue.size() < 16;
            if (fits) queue.push_back(value);
            CHECK_UNARY(ring.push(value) == fits);
        } else {
            const auto value = ring.pop();
            CHECK_UNARY(value.has_value() == !queue.empty());
            if (!value) continue;
            CHECK_UNARY(*value == queue.front());
            queue.pop_front();
        }
    }
}

TEST_CASE("between two threads every value arrives once, whole and in order") {
    constexpr std::uint64_t values = 200'000;
    Ring<std::unique_ptr<std::uint64_t>> ring(64);
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < values; ++i) {
            auto value = std::make_unique<std::uint64_t>(i);
            while (!ring.push(value)) std::this_thread::yield();
        }
    });
    std::uint64_t wrong = 0;
    for (std::uint64_t expected = 0; expected < values;) {
        const auto value = ring.pop();
        if (!value) {
            std::this_thread::yield();
            continue;
        }
        if (*value == nullptr || **value != expected) ++wrong;
        ++expected;
    }
    producer.join();
    CHECK(wrong == 0);
    CHECK_FALSE(ring.pop().has_value());
}
