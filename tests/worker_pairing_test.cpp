// The arithmetic of which worker sends to which, over all numbers of workers.
#include "overlay/worker_pairing.h"

#include <set>
#include <vector>

#include <doctest/doctest.h>

using namespace weft;

namespace {

// f(own, peer, rotation) for all that there can be.
template <class F>
void for_all(F&& f) {
    for (unsigned own = 1; own <= max_workers; ++own) {
        for (unsigned peer = 1; peer <= max_workers; ++peer) {
            for (const std::uint32_t rotation : {0U, 1U, 2U, 5U, 16U, 0xFFFFFFFFU}) f(own, peer, rotation);
        }
    }
}

// The own worker to which the answer comes back that follows what `worker` has sent.
unsigned round_trip(const WorkerPairing& pairing, unsigned worker) {
    const unsigned there = pairing.opened_by_peer(pairing.sealed_by_own(worker));
    return pairing.opened_by_own(pairing.sealed_by_peer(there));
}

}  // namespace

TEST_CASE("both sides mean the same worker by the same SPI") {
    for_all([](unsigned own, unsigned peer, std::uint32_t rotation) {
        const WorkerPairing here{own, peer, rotation};
        const WorkerPairing there{peer, own, rotation};
        for (unsigned worker = 0; worker < own; ++worker) {
            REQUIRE(here.sealed_by_own(worker) == there.sealed_by_peer(worker));
            REQUIRE(here.opened_by_own(worker) == there.opened_by_peer(worker));
        }
    });
}

TEST_CASE("no two workers seal with the same SPI, and all lie in the block that was announced") {
    for_all([](unsigned own, unsigned peer, std::uint32_t rotation) {
        const WorkerPairing pairing{own, peer, rotation};
        std::set<unsigned> used;
        for (unsigned worker = 0; worker < own; ++worker) {
            const unsigned n = pairing.sealed_by_own(worker);
            REQUIRE(n < max_workers);
            REQUIRE(used.insert(n).second);
        }
    });
}

TEST_CASE("a flow comes to rest after one round trip, on as many workers as the smaller side has") {
    for_all([](unsigned own, unsigned peer, std::uint32_t rotation) {
        const WorkerPairing pairing{own, peer, rotation};
        std::set<unsigned> rest;
        for (unsigned worker = 0; worker < own; ++worker) {
            const unsigned second = round_trip(pairing, worker);
            REQUIRE(round_trip(pairing, second) == second);
            rest.insert(second);
        }
        REQUIRE(rest.size() == std::min(own, peer));
    });
}

TEST_CASE("the smaller side's workers are reached by equal shares of the larger side's") {
    for_all([](unsigned own, unsigned peer, std::uint32_t rotation) {
        if (own < peer) return;
        const WorkerPairing pairing{own, peer, rotation};
        std::vector<unsigned> senders(peer);
        for (unsigned worker = 0; worker < own; ++worker)
            ++senders[pairing.opened_by_peer(pairing.sealed_by_own(worker))];
        for (const unsigned count : senders) {
            REQUIRE(count >= own / peer);
            REQUIRE(count <= own / peer + 1);
        }
    });
}

TEST_CASE("with equal numbers, workers talk to their likes") {
    for (unsigned worker = 0; worker < 4; ++worker) {
        const WorkerPairing pairing{4, 4, 12345};
        CHECK(pairing.sealed_by_own(worker) == worker);
        CHECK(pairing.opened_by_own(worker) == worker);
    }
}

TEST_CASE("a large node's small peers are spread over its workers") {
    std::set<unsigned> reached;
    for (std::uint32_t rotation = 0; rotation < 4; ++rotation) {
        const WorkerPairing pairing{4, 1, rotation};
        reached.insert(pairing.opened_by_own(pairing.sealed_by_peer(0)));
    }
    CHECK(reached.size() == 4);
}

TEST_CASE("the rotation is the same from both sides") {
    PublicKey a;
    PublicKey b;
    a.bytes = {0x12, 0x34, 0x56, 0x78, 0x9A};
    b.bytes = {0x01, 0x00, 0x00, 0x0F, 0xFF};
    CHECK(pairing_rotation(a, b) == 0x13345677);
    CHECK(pairing_rotation(b, a) == 0x13345677);
}
