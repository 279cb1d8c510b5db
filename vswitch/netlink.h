// rtnetlink through libnl-3: what weft sets on its devices and asks of the kernel. A Netlink talks to the
// network namespace that its thread was in when it was made. All methods throw std::runtime_error saying what
// was attempted, on what, and why it failed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

class Netlink {
  public:
    // Marks weft's routes ("proto 87" in ip route); unassigned in rtnetlink.h and in iproute2's rt_protos.
    static constexpr std::uint8_t route_protocol = 87;

    Netlink();
    explicit Netlink(Descriptor socket);  // that another process has opened
    ~Netlink();
    Netlink(Netlink&& other) noexcept;
    Netlink(const Netlink&) = delete;
    Netlink& operator=(const Netlink&) = delete;

    // Of the socket, a copy, for another process.
    [[nodiscard]] Descriptor take_descriptor();

    struct Link {
        int index = 0;
        std::uint16_t mtu = 0;  // 65535 if it is more
        bool up = false;
        MacAddress mac;
    };

    [[nodiscard]] std::optional<Link> link(const std::string& name);

    // Packets that the kernel would have sent through the interface and dropped; of a TUN or TAP: its ring
    // was full.
    [[nodiscard]] std::uint64_t tx_dropped(int index);

    // A veth's other end is in another network namespace.
    [[nodiscard]] bool leads_elsewhere(int index);

    void set_mtu(const std::string& name, std::uint16_t mtu);
    void set_mac(const std::string& name, const MacAddress& mac);
    void set_txqueuelen(const std::string& name, std::uint32_t packets);
    void set_up(const std::string& name);

    // For whoever looks at it with `ip link`.
    void set_alias(const std::string& name, const std::string& alias);

    // The kernel gives it no IPv6 address of its own, and so announces nothing there. To be called before the
    // interface is up.
    void set_silent(const std::string& name);

    struct VethPair {
        std::string here;
        std::string there;
        int namespace_there = -1;  // a descriptor
        std::uint16_t mtu = 1500;  // of both ends
    };

    void add_veth(const VethPair& pair);
    bool remove_veth(const std::string& name);  // with its other end; false: there is no veth of this name

    // Every frame that arrives at one interface leaves by the other one, and the kernel does not see it
    // (clsact, u32, mirred). Ends with either interface.
    void redirect(int from, int to);

    // Whatever was redirected from it, and what else hangs on its clsact. There may be none.
    void clear_redirects(int from);

    // "10.20.1.1/24"; an IPv6 address without duplicate address detection. An address that the interface has
    // already is an error.
    void add_address(const std::string& name, const Prefix& address);

    // The name of the interface that has `address`, whatever its prefix length; nothing if none has it.
    [[nodiscard]] std::optional<std::string> address_owner(const IpAddress& address);

    // A route with the kernel's default metric, marked with weft's own protocol number so that it is told
    // apart. It goes away with its interface. False if there is another route to the same prefix.
    bool add_route(const Prefix& to, const std::string& name);
    void remove_route(const Prefix& to, const std::string& name);

    // What a container's route may say beyond where it leads. Zero and nothing: as the kernel has it.
    struct ViaRoute {
        Prefix to;
        std::optional<IpAddress> via{};  // nothing: `to` is on the link
        bool via_is_on_link = false;     // though no address of the interface says so
        std::uint32_t mtu = 0;
        std::uint32_t advertised_mss = 0;
        std::uint32_t priority = 0;
        std::optional<std::uint32_t> table{};
        std::optional<std::uint8_t> scope{};
    };

    // False if there is such a route already.
    bool add_route(const ViaRoute& route, const std::string& name);

    // Those of all tables but the local one that lead through the interface.
    [[nodiscard]] std::vector<ViaRoute> routes(const std::string& name);

    [[nodiscard]] std::vector<Prefix> addresses(const std::string& name);

    struct Way {
        int device = 0;
        std::optional<IpAddress> source;  // that the kernel would send from

        friend bool operator==(const Way&, const Way&) noexcept = default;
    };

    // The way by which `destination` is reached; nothing if there is none. Of several at a time (multipath)
    // the one that the kernel takes for these addresses.
    [[nodiscard]] std::optional<Way> way_to(const IpAddress& destination);

    // MTU of the route by which `destination` is reached (65535 if it is more); nothing if there is none.
    [[nodiscard]] std::optional<std::uint16_t> route_mtu(const IpAddress& destination);

    // The interface by which `destination` is reached; nothing if there is no route.
    [[nodiscard]] std::optional<int> route_interface(const IpAddress& destination);

    // Those of all default routes, IPv4 and IPv6, of the main table, each once.
    [[nodiscard]] std::set<int> default_route_interfaces();

    // The namespace forwards between its interfaces (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding).
    [[nodiscard]] bool forwards(bool v6);

    // "eth0"; nothing: there is no such interface.
    [[nodiscard]] std::optional<std::string> name(int index);

  private:
    struct Socket;
    std::unique_ptr<Socket> socket_;
};

// Of a socket that is open; opening one takes what the sandbox does not give.
inline constexpr std::array netlink_system_calls{
    SystemCall{SYS_sendmsg},
    SystemCall{SYS_recvmsg},
    SystemCall{SYS_close},
};

}  // namespace weft
