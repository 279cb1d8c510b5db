// Source NAT towards the outside, by nftables through libnftables: what hosts of weft's networks send, and
// the kernel sends on by a device that is not weft's, gets that device's own address (masquerading), IPv4 and
// IPv6.
//
//   table inet weft_NODE {
//       flags owner
//       chain outward {
//           type nat hook postrouting priority srcnat; policy accept;
//           ip saddr { 10.10.0.0/24 } oifname != { "weft-out" } masquerade
//           ip6 saddr { fd00:10::/64 } oifname != { "weft-out" } masquerade
//       }
//   }
//
// The table is weft's own, and no other is touched. The kernel's flag `owner` binds it to the socket that
// made it: others see the table but cannot change it, a reload of the host's rules ("flush ruleset") leaves
// it standing, and it disappears when the socket is closed, by the end of the process or by its death. So
// nobody needs a privilege to remove it, and none is left behind. install() is one transaction: the new rules
// are in force at once, or the old ones stay.
//
// Limits. Linux 5.12 or newer, and libnftables.so.1, which is loaded by the constructor. Whether the kernel
// forwards at all (sysctl, others' rules with the policy drop) is not decided here. The table is in the
// network namespace that the thread was in when it was made.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vswitch/address.h"

namespace weft {

struct NatRules {
    std::string node;
    std::vector<Prefix> sources;       // networks, in any order; those within others are left out
    std::vector<std::string> devices;  // weft's: what leaves by them is not masqueraded

    friend bool operator==(const NatRules&, const NatRules&) = default;
};

// "weft_site-a": an identifier of nftables, which may hold what a node's name may hold.
std::string nat_table_name(std::string_view node);

// The transaction in nftables' own language. `again`: in place of a table that is installed. Throws
// std::runtime_error if a device has a name that cannot be written in it.
std::string to_ruleset(const NatRules& rules, bool again = false);

class NatTable {
  public:
    NatTable();   // throws std::runtime_error if there is no nftables here
    ~NatTable();  // removes the table
    NatTable(const NatTable&) = delete;
    NatTable& operator=(const NatTable&) = delete;

    // In place of what was installed before. Throws std::runtime_error with nftables' own words and the cure.
    void install(const NatRules& rules);

  private:
    struct Context;
    std::unique_ptr<Context> context_;
    bool installed_ = false;
};

}  // namespace weft
