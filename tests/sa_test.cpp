#include "crypto/sa.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "crypto/esp.h"

using weft::Cipher;
using weft::Esp;
using weft::EspError;
using weft::InboundSa;
using weft::OutboundSa;
using weft::SaKeys;

namespace {

constexpr std::uint64_t two_32 = std::uint64_t{1} << 32U;

SaKeys some_keys(Cipher cipher = Cipher::aes_128_gcm) {
    SaKeys keys;
    keys.spi = 0x01020304;
    keys.cipher = cipher;
    for (std::size_t i = 0; i < 32; ++i) keys.key.writable()[i] = static_cast<std::uint8_t>(0x40 + i);
    keys.salt = {9, 8, 7, 6};
    return keys;
}

using Iv = std::vector<std::uint8_t>;

// The IV of one sealed packet, or nothing if the SA is exhausted.
std::optional<Iv> sealed_iv(OutboundSa& sa) {
    std::uint8_t buffer[Esp::sealed_size(8)] = {};
    const auto size = Esp::seal(sa, buffer, 8, 59);
    if (size) return Iv(buffer + 8, buffer + 16);
    REQUIRE(size.error() == EspError::exhausted);
    return std::nullopt;
}

// Whether `action` ends its process with abort(). It runs in a child of its own, without a core file.
template <typename Action>
bool aborts(Action action) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGABRT, SIG_DFL);  // doctest's own handler would report a failure
        action();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

// RFC 4303 appendix A2.2, as it is written there: two cases by where the window's ends lie.
std::uint64_t infer_by_the_rfc(std::uint64_t highest, std::uint64_t size, std::uint32_t low) {
    const std::uint64_t tl = highest % two_32;
    const std::uint64_t th = highest / two_32;
    const std::uint64_t bottom = (tl - size + 1) % two_32;
    std::uint64_t high = th;
    if (tl >= size - 1) {
        if (low < bottom) high = th + 1;
    } else if (th > 0 && low >= bottom) {
        high = th - 1;
    }
    return high * two_32 + low;
}

// The same from its purpose: of all numbers with this low half, the first that is not below the window.
std::uint64_t infer_by_search(std::uint64_t highest, std::uint64_t size, std::uint32_t low) {
    for (std::uint64_t high = std::max<std::uint64_t>(highest / two_32, 1) - 1;; ++high)
        if (high * two_32 + low + size > highest) return high * two_32 + low;
}

}  // namespace

TEST_CASE("keys are cloned whole") {
    const SaKeys keys = some_keys(Cipher::chacha20_poly1305);
    const SaKeys copy = keys.clone();
    CHECK(copy.spi == keys.spi);
    CHECK(copy.cipher == keys.cipher);
    CHECK(copy.salt == keys.salt);
    CHECK(std::ranges::equal(copy.key.bytes(), keys.key.bytes()));
    static_assert(!std::is_copy_constructible_v<SaKeys>);
}

TEST_CASE("no nonce is ever used twice, up to the limit and after it was raised") {
    OutboundSa sa{some_keys(), 1, 1000};
    std::set<Iv> used;
    const auto seal_until_exhausted = [&] {
        while (const auto iv = sealed_iv(sa)) REQUIRE(used.insert(*iv).second);
    };
    seal_until_exhausted();
    CHECK(used.size() == 1000);
    CHECK(sa.exhausted());
    CHECK_FALSE(sealed_iv(sa).has_value());

    sa.raise_limit(1000);
    CHECK_FALSE(sealed_iv(sa).has_value());
    sa.raise_limit(1500);
    CHECK_FALSE(sa.exhausted());
    seal_until_exhausted();
    CHECK(used.size() == 1500);
    CHECK(sa.next_sequence() == 1501);
}

TEST_CASE("no nonce is used twice while an SA is handed on") {
    OutboundSa first{some_keys()};
    std::set<std::optional<Iv>> used;
    for (int i = 0; i < 10; ++i) REQUIRE(used.insert(sealed_iv(first)).second);
    OutboundSa second = std::move(first);
    for (int i = 0; i < 10; ++i) REQUIRE(used.insert(sealed_iv(second)).second);
    CHECK(used.size() == 20);
    CHECK_FALSE(used.contains(std::nullopt));
    // NOLINTNEXTLINE(bugprone-use-after-move): that it cannot be used is what is tested
    CHECK(aborts([&first] { static_cast<void>(sealed_iv(first)); }));
    static_assert(!std::is_copy_constructible_v<OutboundSa> && !std::is_copy_assignable_v<OutboundSa>);
}

TEST_CASE("an SA resumes at the given number and crosses 2^32") {
    OutboundSa sa{some_keys(), two_32 - 2, two_32 + 1};
    CHECK(sa.next_sequence() == two_32 - 2);
    CHECK(sealed_iv(sa) == Iv{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe});
    CHECK(sealed_iv(sa) == Iv{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff});
    CHECK(sealed_iv(sa) == Iv{0, 0, 0, 1, 0, 0, 0, 0});
    CHECK(sealed_iv(sa) == Iv{0, 0, 0, 1, 0, 0, 0, 1});
    CHECK(sealed_iv(sa) == std::nullopt);
}

TEST_CASE("no limit goes beyond what one key may seal") {
    constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();
    OutboundSa sa{some_keys(), OutboundSa::max_packets, everything};
    sa.raise_limit(everything);
    CHECK(sealed_iv(sa).has_value());
    CHECK(sealed_iv(sa) == std::nullopt);
    sa.raise_limit(everything);
    CHECK(sealed_iv(sa) == std::nullopt);
    CHECK(OutboundSa{some_keys(), everything, everything}.exhausted());
}

TEST_CASE("an SA whose first number is past its limit is exhausted until the limit is raised") {
    OutboundSa sa{some_keys(), 11, 10};
    CHECK(sa.exhausted());
    CHECK(sealed_iv(sa) == std::nullopt);
    sa.raise_limit(11);
    CHECK(sealed_iv(sa).has_value());
    CHECK(sealed_iv(sa) == std::nullopt);
}

TEST_CASE("a key seals no more bytes than it may, and says in time that it is running out") {
    constexpr std::uint64_t bytes = std::uint64_t{1} << 20U;
    OutboundSa sa{some_keys(), 1, OutboundSa::max_packets, bytes};
    std::vector<std::uint8_t> buffer(65'504);
    std::uint64_t sealed = 0;
    std::optional<std::uint64_t> warned_at;
    while (true) {
        if (sa.running_out() && !warned_at) warned_at = sealed;
        const auto size = Esp::seal(sa, buffer, buffer.size() - 40, 4);
        if (!size) {
            CHECK(size.error() == EspError::exhausted);
            break;
        }
        sealed += *size;
    }
    CHECK(sa.exhausted());
    CHECK(sealed <= bytes);
    CHECK(sealed > bytes - 2 * buffer.size());
    REQUIRE(warned_at);
    CHECK(*warned_at >= bytes / 4 * 3);
    CHECK(*warned_at + buffer.size() <= sealed);
}

TEST_CASE("an SA of agreed keys knows its cipher's limits") {
    struct Case {
        Cipher cipher;
        std::uint64_t bytes;
    };

    for (const auto& [cipher, bytes] : {Case{Cipher::aes_128_gcm, OutboundSa::max_bytes_of_gcm},
                                        Case{Cipher::aes_256_gcm, OutboundSa::max_bytes_of_gcm},
                                        Case{Cipher::chacha20_poly1305, OutboundSa::unlimited}}) {
        CHECK(OutboundSa::max_bytes(cipher) == bytes);
    }
}

TEST_CASE("an SA that is running out of numbers says so") {
    OutboundSa sa{some_keys(), 1, 1000};
    for (int i = 0; i < 875; ++i) {
        REQUIRE_FALSE(sa.running_out());
        REQUIRE(sealed_iv(sa));
    }
    CHECK(sa.running_out());
    CHECK_FALSE(OutboundSa{some_keys()}.running_out());
}

TEST_CASE("a wiped SA is exhausted, whatever it is allowed later") {
    OutboundSa sa{some_keys()};
    sa.wipe();
    CHECK(sa.exhausted());
    sa.raise_limit(OutboundSa::max_packets);
    CHECK(sealed_iv(sa) == std::nullopt);
    sa.prefetch();
}

TEST_CASE("what would allow a number again aborts") {
    OutboundSa sa{some_keys(), 1, 1000};
    CHECK(aborts([&sa] { sa.raise_limit(999); }));
    CHECK(aborts([] { OutboundSa{some_keys(), 0, 1}; }));
    CHECK_FALSE(aborts([&sa] { sa.raise_limit(1000); }));
}

TEST_CASE("an SA that goes on in another process begins behind the last number, and counts its bytes on") {
    OutboundSa old{some_keys()};
    for (int i = 0; i < 3; ++i) static_cast<void>(sealed_iv(old));
    OutboundSa next{old.keys()};
    next.skip_to(old.next_sequence() + 10, old.sealed_bytes());
    CHECK(sealed_iv(next) == Iv{0, 0, 0, 0, 0, 0, 0, 14});
    CHECK(next.sealed_bytes() == old.sealed_bytes() / 3 * 4);
    CHECK(aborts([&next] { next.skip_to(14, next.sealed_bytes()); }));
    CHECK(aborts([&next] { next.skip_to(20, 0); }));
}

TEST_CASE("a wiped SA has no key to go on with") {
    OutboundSa sa{some_keys()};
    sa.wipe();
    CHECK(std::ranges::count(sa.keys().key.bytes(), 0) == 32);
}

TEST_CASE("the high half is inferred as RFC 4303 appendix A2.2 does, wherever the window stands") {
    for (const std::uint64_t size : {64U, 1024U, 8192U}) {
        for (const std::uint64_t wrap : {std::uint64_t{0}, two_32, 2 * two_32, 77 * two_32}) {
            for (const std::int64_t from_wrap : {-1'000'000L, -8193L, -8192L, -65L, -64L, -1L, 0L, 1L, 62L,
                                                 63L, 64L, 8190L, 8191L, 8192L, 1'000'000L}) {
                if (wrap == 0 && from_wrap < 0) continue;
                const std::uint64_t highest = wrap + static_cast<std::uint64_t>(from_wrap);
                const InboundSa sa{some_keys(), size, highest};
                std::mt19937 random{static_cast<std::uint32_t>(highest + size)};
                for (std::int64_t i = -20'000; i <= 20'000; ++i) {
                    // Near the window's top, near the wrap, and anywhere.
                    const auto near_top = static_cast<std::uint32_t>(highest + static_cast<std::uint64_t>(i));
                    for (const std::uint32_t low :
                         {near_top, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(random())}) {
                        const std::uint64_t inferred = sa.infer_sequence(low);
                        if (inferred == infer_by_the_rfc(highest, size, low) &&
                            inferred == infer_by_search(highest, size, low)) {
                            continue;
                        }
                        CAPTURE(size);
                        CAPTURE(highest);
                        CAPTURE(low);
                        CHECK(inferred == infer_by_the_rfc(highest, size, low));
                        REQUIRE(inferred == infer_by_search(highest, size, low));
                    }
                }
            }
        }
    }
}

// A receiver that is told the whole number of each packet, and keeps all that it has taken.
struct NaiveReceiver {
    std::uint64_t size;
    std::uint64_t highest;
    std::set<std::uint64_t> taken{};

    bool take(std::uint64_t sequence) {
        if (sequence + size <= highest || !taken.insert(sequence).second) return false;
        highest = std::max(highest, sequence);
        return true;
    }
};

TEST_CASE("packets in any disorder around a wrap are taken as if all of their number were sent") {
    for (const std::uint64_t size : {64U, 1024U, 8192U}) {
        for (const std::uint64_t wrap : {two_32, 9 * two_32}) {
            CAPTURE(size);
            CAPTURE(wrap);
            const std::uint64_t first = wrap - 2 * size;
            std::vector<std::vector<std::uint8_t>> packets(4 * size);
            OutboundSa sender{some_keys(), first, OutboundSa::max_packets};
            for (auto& packet : packets) {
                packet.resize(Esp::sealed_size(8));
                REQUIRE(Esp::seal(sender, packet, 8, 59));
            }
            InboundSa receiver{some_keys(), size, first - 1};
            NaiveReceiver model{.size = size, .highest = first - 1};
            std::mt19937 random{static_cast<std::uint32_t>(size + wrap)};
            std::uint64_t outcomes[2] = {};
            for (std::size_t i = 0; i < packets.size() * 2; ++i) {
                // The next one on the whole, but up to a window and a half late, or early, or again.
                const auto around = static_cast<std::int64_t>(i / 2) +
                                    static_cast<std::int64_t>(random() % (2 * size)) -
                                    static_cast<std::int64_t>(size * 3 / 2);
                const auto which = std::clamp<std::int64_t>(around, 0, std::ssize(packets) - 1);
                auto packet = packets[static_cast<std::size_t>(which)];
                const bool taken = Esp::open_in_place(receiver, packet).has_value();
                CAPTURE(which);
                REQUIRE(taken == model.take(first + static_cast<std::uint64_t>(which)));
                ++outcomes[taken ? 1 : 0];
            }
            CHECK(receiver.window().highest() > wrap);
            for (const std::uint64_t count : outcomes) CHECK(count > size / 2);
        }
    }
}

TEST_CASE("before the first wrap nothing is inferred below 0") {
    for (const std::uint64_t highest : {0U, 1U, 62U, 63U, 64U}) {
        const InboundSa sa{some_keys(), 64, highest};
        CAPTURE(highest);
        CHECK(sa.infer_sequence(0xffffffff) == 0xffffffff);
        CHECK(sa.infer_sequence(0x80000000) == 0x80000000);
        CHECK(sa.infer_sequence(1) == 1);
    }
}

TEST_CASE("at the end of all numbers an inference does not come out fresh") {
    constexpr std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
    const InboundSa sa{some_keys(), 64, last};
    for (const std::uint32_t low : {0U, 1U, 1000U, 0x80000000U, 0xffffff00U, 0xffffffffU})
        CHECK(sa.window().check(sa.infer_sequence(low)) != weft::ReplayWindow::Answer::fresh);
}
