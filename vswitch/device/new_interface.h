// What weft does alike with all network interfaces that it makes: their names and addresses must be free,
// then they are set up and brought up. Everything throws std::runtime_error that names the interface, where
// it is, and the cure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vswitch/address.h"
#include "vswitch/netlink.h"

namespace weft {

struct NewInterface {
    std::string name;
    std::optional<std::string> netns;
    std::uint16_t mtu = 1500;
    std::optional<MacAddress> mac;
    std::vector<Prefix> addresses;
    std::uint32_t txqueuelen = 1000;
};

// " in namespace host-a", for messages.
std::string place(const NewInterface& interface);

void check_name(const NewInterface& interface);

// `netlink` is of the interface's namespace.
void check_free(Netlink& netlink, const NewInterface& interface);
void set_up(Netlink& netlink, const NewInterface& interface);

[[noreturn]] void throw_name_taken(const NewInterface& interface);

}  // namespace weft
