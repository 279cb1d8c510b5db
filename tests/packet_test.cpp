#include "vswitch/packet.h"

#include <vector>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::Bytes;

namespace {

Bytes copy_of(const Packet& packet) {
    return {packet.bytes().begin(), packet.bytes().end()};
}

}  // namespace

TEST_CASE("headers are pushed into the headroom and pulled off again without moving the payload") {
    PacketPool pool(1);
    Packet packet = pool.take(Bytes{1, 2, 3, 4});
    const std::uint8_t* payload = packet.data();
    CHECK(packet.headroom() == Packet::headroom_reserve);

    std::uint8_t* header = packet.push(2);
    header[0] = 8;
    header[1] = 9;
    CHECK(copy_of(packet) == Bytes{8, 9, 1, 2, 3, 4});
    CHECK(packet.data() + 2 == payload);
    packet.pull(3);
    CHECK(copy_of(packet) == Bytes{2, 3, 4});
}

TEST_CASE("a fresh packet has room for the largest payload and for a trailer behind it") {
    PacketPool pool(1);
    Packet packet = pool.take();
    packet.resize(Packet::max_size);
    CHECK(packet.tailroom() >= Packet::tailroom_reserve);
    packet.push(Packet::headroom_reserve);
    packet.resize(packet.size() + Packet::tailroom_reserve);
    CHECK(packet.headroom() == 0);
    packet.bytes().front() = 1;  // the sanitizer and the guard of the mapping watch
    packet.bytes().back() = 1;
}

TEST_CASE("the checksum's place stays on the transport header while headers come and go") {
    PacketPool pool(1);
    Packet packet = pool.take(Bytes(60));
    packet.set_checksum_start(34);
    packet.pull(14);
    CHECK(packet.checksum_start() == 20);
    packet.push(50);
    CHECK(packet.checksum_start() == 70);
}

TEST_CASE("an exhausted pool hands out empty packets and recovers when one comes back") {
    PacketPool pool(3);
    std::vector<Packet> taken(3);
    for (Packet& packet : taken) packet = pool.take();
    CHECK(pool.available() == 0);
    CHECK_FALSE(pool.take());
    CHECK_FALSE(pool.take(Bytes{1}));
    CHECK_FALSE(taken[0].clone());
    CHECK_FALSE(taken[0].sibling());
    taken.pop_back();
    CHECK(pool.available() == 1);
    CHECK(pool.take());
}

TEST_CASE("a buffer that is used again remembers nothing of its last packet") {
    PacketPool pool(1);
    {
        Packet first = pool.take(Bytes(100));
        first.pull(10);
        first.vlan_tci() = 0x2064;
        first.offload() = {.gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1448};
    }
    const Packet second = pool.take();
    CHECK(second.size() == 0);
    CHECK(second.headroom() == Packet::headroom_reserve);
    CHECK(second.vlan() == untagged);
    CHECK(second.offload().gso == Offload::Gso::none);
    CHECK_FALSE(second.offload().needs_checksum);
}

TEST_CASE("a clone has the bytes and the metadata, and is independent") {
    PacketPool pool(2);
    Packet original = pool.take(Bytes{1, 2, 3, 4});
    original.pull(1);
    original.vlan_tci() = 0xE00A;
    original.offload() = {.gso = Offload::Gso::udp, .needs_checksum = true, .gso_size = 1200};
    original.set_checksum_start(2);

    Packet copy = original.clone();
    original.data()[0] = 99;
    CHECK(copy_of(copy) == Bytes{2, 3, 4});
    CHECK(copy.vlan() == VlanId{10});
    CHECK(copy.headroom() == original.headroom());
    CHECK(copy.offload().gso == Offload::Gso::udp);
    CHECK(copy.offload().gso_size == 1200);
    CHECK(copy.checksum_start() == 2);
}

TEST_CASE("a moved packet has one owner") {
    PacketPool pool(2);
    Packet a = pool.take(Bytes{1});
    Packet b = std::move(a);
    CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move)
    b = pool.take(Bytes{2});
    CHECK(copy_of(b) == Bytes{2});
    CHECK(pool.available() == 1);
}
