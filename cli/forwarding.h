// The kernel's switch for forwarding, in weftd's network namespace. A bridge with `masquerade = true` is of
// no use without it, so it is switched on, as container engines do, and left on, since by the end others may
// rely on it. A host that forwards IPv6 stops listening to router advertisements: so devices that do
// (accept_ra = 1) are told to go on (2), or the host would lose its own default route by it.
//
// Needs CAP_NET_ADMIN and a /proc/sys that can be written to; a service manager may hide it. Whether the
// switch is on is asked by netlink, which always works.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace weft {

enum class IpVersion : std::uint8_t { v4, v6 };

// Nothing: it is on. Otherwise why it could not be switched on, and what to do. Throws if netlink does.
std::optional<std::string> switch_on_forwarding(IpVersion version);

// Writes what the switch takes below `net`, the folder /proc/sys/net. False: that could not be written.
bool write_forwarding(const std::filesystem::path& net, IpVersion version);

}  // namespace weft
