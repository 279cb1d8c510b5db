// Every way in which weft does not deliver a packet has a name here, and a counter for each port: a packet is
// either sent on or counted under exactly one of these. The names are part of the API (`weft drops --json`)
// and never change their meaning.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

// X(name, what a user is told)
#define WEFT_DROPS(X)                                                                             \
    X(truncated, "shorter than its headers say")                                                  \
    X(malformed, "a header field contradicts itself or the packet")                               \
    X(bad_checksum, "IP, TCP, UDP or ICMP checksum is wrong")                                     \
    X(no_buffer, "the packet pool is empty")                                                      \
    X(queue_full, "the outgoing queue or the device's ring is full")                              \
    X(receive_overflow, "the underlay socket's receive buffer was full")                          \
    X(control_overflow, "the receive buffer for handshake messages was full")                     \
    X(device_error, "the device or the socket refused the write")                                 \
    X(too_big, "larger than the MTU of where it goes")                                            \
    X(impaired, "by the port's emulated link ([port.impair])")                                    \
    X(link_local_filtered, "a link-local frame (LLDP, STP, LACP), which a bridge never forwards") \
    X(source_is_group, "the source MAC address is a group address or zero")                       \
    X(vlan_not_allowed, "the port does not carry this VLAN")                                      \
    X(same_port, "the destination is on the port that the frame came from")                       \
    X(split_horizon, "from one tunnel to another, which a full mesh never needs")                 \
    X(no_member, "there is no other port to flood to")                                            \
    X(isolated, "from an isolated port to another one of its bridge")                             \
    X(spoofed_mac, "by a guarded port, from another MAC address than its own")                    \
    X(spoofed_ip, "by a guarded port, from another IP address than its own")                      \
    X(spoofed_arp, "by a guarded port, ARP in another's name")                                    \
    X(spoofed_nd, "by a guarded port, IPv6 neighbor discovery in another's name")                 \
    X(router_advertisement, "by a guarded port, an IPv6 router advertisement or redirect")        \
    X(dhcp_server, "by a guarded port, what only a DHCP server sends")                            \
    X(unknown_protocol, "neither IPv4, IPv6, ARP nor anything else that is spoken here")          \
    X(no_route, "no route to the destination")                                                    \
    X(ttl_exceeded, "TTL or hop limit reached zero")                                              \
    X(not_forwardable, "a source or destination address that is never routed")                    \
    X(neighbor_unresolved, "nobody answered ARP or neighbor discovery for the next hop")          \
    X(neighbor_queue_full, "too many packets wait for the next hop's MAC address")                \
    X(not_for_us, "addressed to the router itself, which offers no such service")                 \
    X(no_session, "no security association with the peer yet, and its waiting room is full")      \
    X(no_endpoint, "the peer's address on the underlay is not known")                             \
    X(sa_exhausted, "the security association has used up its packets, bytes or time")            \
    X(denied, "from a source that the deny list has (weft deny show)")                            \
    X(unknown_spi, "no security association with this SPI")                                       \
    X(replayed, "the sequence number was seen before")                                            \
    X(too_old, "the sequence number is below the replay window")                                  \
    X(auth_failed, "the integrity check value is wrong")                                          \
    X(bad_padding, "the ESP trailer is wrong")                                                    \
    X(unknown_next_header, "an ESP payload that is neither IP nor UDP nor a dummy")               \
    X(bad_fragment, "fragments of a packet that contradict one another, or the packet")           \
    X(reassembly_timeout, "a fragment of the packet did not arrive in time, or too many wait")    \
    X(bad_vxlan, "a VXLAN header with wrong flags or ports")                                      \
    X(foreign_vni, "the peer may not send to this VNI")                                           \
    X(foreign_source, "the peer may not send from this source address")                           \
    X(unknown_peer, "plain VXLAN from an address that is no peer's")                              \
    X(bad_control, "a malformed or unknown control datagram")                                     \
    X(handshake_failed, "a handshake message that is not from a known peer, or is a replay")      \
    X(cookie_demanded, "a handshake message under load, whose sender must prove its address")     \
    X(handshake_rate_limited, "more handshake messages than an address, or all, may send")

enum class Drop : std::uint8_t {
#define WEFT_DROP_ENUMERATOR(name, text) name,
    WEFT_DROPS(WEFT_DROP_ENUMERATOR)
#undef WEFT_DROP_ENUMERATOR
};

#define WEFT_DROP_ONE(name, text) +1  // NOLINT(bugprone-macro-parentheses): a term of a sum
inline constexpr std::size_t drop_count = 0 WEFT_DROPS(WEFT_DROP_ONE);
#undef WEFT_DROP_ONE

std::string_view to_string(Drop drop) noexcept;    // "unknown_spi"
std::string_view description(Drop drop) noexcept;  // for people

class DropCounters {
  public:
    void add(Drop drop, std::uint64_t packets = 1) noexcept {
        counts_[static_cast<std::size_t>(drop)] += packets;
    }

    [[nodiscard]] std::uint64_t operator[](Drop drop) const noexcept {
        return counts_[static_cast<std::size_t>(drop)];
    }

    [[nodiscard]] std::uint64_t total() const noexcept;

  private:
    std::array<std::uint64_t, drop_count> counts_{};
};

}  // namespace weft
