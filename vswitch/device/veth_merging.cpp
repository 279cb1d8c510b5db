#include "vswitch/device/veth_merging.h"

#include <cstdint>
#include <stdexcept>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vswitch/netns.h"

namespace weft {

namespace {

bool set_offload(const std::string& device, std::uint32_t command, bool on) {
    const Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ethtool_value value{.cmd = command, .data = on ? 1U : 0U};
    ifreq request{};
    device.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

}  // namespace

bool set_merging(const std::string& host_end, const NewInterface& inner, bool on) {
    bool done = false;
    in_namespace(inner.netns, [&] { done = set_offload(inner.name, ETHTOOL_SGRO, on); });
    return done && set_offload(host_end, ETHTOOL_STSO, !on) && on;
}

}  // namespace weft
