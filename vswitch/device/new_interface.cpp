#include "vswitch/device/new_interface.h"

#include <stdexcept>

#include <net/if.h>

namespace weft {

namespace {

std::string ip_command(const NewInterface& interface) {
    // 'ip -n' takes names only.
    if (!interface.netns) return "ip ";
    return interface.netns->starts_with('/') ? "nsenter --net=" + *interface.netns + " ip "
                                             : "ip -n " + *interface.netns + " ";
}

void check_addresses(Netlink& netlink, const NewInterface& interface) {
    constexpr std::uint16_t ipv6_minimum_mtu = 1280;  // RFC 8200 section 5
    for (const auto& address : interface.addresses) {
        const auto owner = netlink.address_owner(address.address);
        if (owner && !address.address.is_link_local()) {
            throw std::runtime_error("cannot give " + address.to_string() + " to device " + interface.name +
                                     ": the address is already in use by " + *owner + place(interface) +
                                     ": choose another address or remove it there (" + ip_command(interface) +
                                     "addr show dev " + *owner + ")");
        }
        if (address.address.is_v6() && interface.mtu < ipv6_minimum_mtu) {
            throw std::runtime_error("cannot give " + address.to_string() + " to device " + interface.name +
                                     ": its MTU is " + std::to_string(interface.mtu) +
                                     " and IPv6 needs 1280: raise the MTU or remove the address");
        }
    }
}

}  // namespace

std::string place(const NewInterface& interface) {
    return interface.netns ? " in namespace " + *interface.netns
                           : std::string{" in the daemon's network namespace"};
}

void check_name(const NewInterface& interface) {
    const std::string& name = interface.name;
    if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." ||
        name.find_first_of("/: %\t\n") != std::string::npos) {
        throw std::runtime_error(
            "'" + name +
            "' cannot be a device's name: use 1 to 15 characters without '/', ':', '%' or blanks");
    }
}

void check_free(Netlink& netlink, const NewInterface& interface) {
    if (netlink.link(interface.name)) throw_name_taken(interface);
    check_addresses(netlink, interface);
}

void set_up(Netlink& netlink, const NewInterface& interface) {
    if (interface.mac) netlink.set_mac(interface.name, *interface.mac);
    netlink.set_mtu(interface.name, interface.mtu);
    netlink.set_txqueuelen(interface.name, interface.txqueuelen);
    for (const auto& address : interface.addresses) netlink.add_address(interface.name, address);
    netlink.set_up(interface.name);
}

void throw_name_taken(const NewInterface& interface) {
    throw std::runtime_error("device " + interface.name + " exists already" + place(interface) +
                             ": choose another name or delete it (" + ip_command(interface) + "link del " +
                             interface.name + ")");
}

}  // namespace weft
