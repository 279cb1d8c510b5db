#include "overlay/mtu.h"

#include <initializer_list>

#include <doctest/doctest.h>

using namespace weft;

namespace {

// The largest datagram for which `fits` holds, found by trying all of them.
template <class Fits>
std::size_t largest(Fits fits) {
    std::size_t best = 0;
    for (std::size_t size = 1; size <= 9100; ++size) {
        if (fits(size)) best = size;
    }
    return best;
}

}  // namespace

TEST_CASE("what is left of the underlay's MTU is the most that fits") {
    for (const std::uint16_t underlay :
         std::initializer_list<std::uint16_t>{576, 1280, 1281, 1282, 1283, 1400, 1492, 1500, 1501, 9000}) {
        for (const bool ipv6 : {false, true}) {
            CAPTURE(underlay);
            CAPTURE(ipv6);
            const PathMtu path{underlay, ipv6};
            const std::size_t outer = ipv6 ? 48 : 28;
            CHECK(path.routed() ==
                  largest([&](std::size_t size) { return outer + Esp::sealed_size(size) <= underlay; }));
            for (const bool tagged : {false, true}) {
                const std::size_t layer2 = tagged ? 18 : 14;
                CHECK(path.bridged(tagged) == largest([&](std::size_t size) {
                          return outer + Esp::sealed_size(8 + 8 + layer2 + size) <= underlay;
                      }));
                CHECK(path.bridged_plain(tagged) ==
                      largest([&](std::size_t size) { return outer + 8 + layer2 + size <= underlay; }));
            }
        }
    }
}

TEST_CASE("an underlay without room leaves nothing, and does not wrap") {
    for (std::uint16_t underlay = 0; underlay < 110; ++underlay) {
        const PathMtu path{underlay, true};
        CHECK_UNARY(path.routed() < 50);
        CHECK_UNARY(path.bridged(true) < 50);
        CHECK_UNARY(path.bridged_plain(true) < 50);
    }
    CHECK(PathMtu{0, false}.routed() == 0);
}
