// A cable between two devices, and a mirror at the end of one: what a switch does at its least, for tests of
// devices.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/support/test_socket.h"
#include "vswitch/device/device.h"

namespace weft::test {

// Reads until a packet satisfies `wanted` and returns it; the others are passed over. An empty handle: none
// came in time.
Packet read_one(Device& device, PacketPool& pool, DropCounters& drops,
                const std::function<bool(const Packet&)>& wanted);

// Offset of the IP header of a frame (behind at most one tag) or datagram; 0xFFFF if it is not IP.
std::size_t network_offset(const Packet& packet, bool is_frame);

// True if the packet is UDP to or from `port`.
std::function<bool(const Packet&)> is_udp(bool is_frame, std::uint16_t port);

// Sends a UDP packet back to where it came from. All swaps are within a checksum's sum, which stays true.
void reflect(Packet& packet, bool is_frame);

// What passed over a cable.
struct CableTraffic {
    std::size_t super_frames = 0;
    std::size_t unfinished_checksums = 0;
    std::size_t tagged = 0;
    std::size_t largest = 0;
};

// Joins two devices and carries a TCP transfer of `payload` from `client` to `server` over them. Returns what
// arrived.
std::string transfer_over_cable(Device& a, Device& b, PacketPool& pool, DropCounters& drops,
                                const Descriptor& client, const TcpListener& server,
                                const std::string& payload, CableTraffic& traffic);

// Moves what waits in `from` to `to`.
void carry(Device& from, Device& to, PacketPool& pool, DropCounters& drops, CableTraffic& traffic);

}  // namespace weft::test
