#include "cli/forwarding.h"

#include <fstream>
#include <system_error>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "vswitch/netlink.h"

namespace weft {

namespace {

bool is_on(IpVersion version) {
    return Netlink{}.forwards(version == IpVersion::v6);
}

bool write(const std::filesystem::path& file, std::string_view value) {
    std::ofstream out{file};
    out << value << std::flush;
    return out.good();
}

void go_on_listening_to_routers(const std::filesystem::path& devices) {
    std::error_code ignored;
    for (const auto& device : std::filesystem::directory_iterator{devices, ignored}) {
        if (device.path().filename() == "all" || device.path().filename() == "default") continue;
        int accept = 0;
        std::ifstream{device.path() / "accept_ra"} >> accept;
        if (accept == 1) write(device.path() / "accept_ra", "2");
    }
}

}  // namespace

bool write_forwarding(const std::filesystem::path& net, IpVersion version) {
    if (version == IpVersion::v4) return write(net / "ipv4/ip_forward", "1");
    go_on_listening_to_routers(net / "ipv6/conf");
    return write(net / "ipv6/conf/all/forwarding", "1");
}

std::optional<std::string> switch_on_forwarding(IpVersion version) {
    if (is_on(version)) return std::nullopt;
    const bool v6 = version == IpVersion::v6;
    const std::string_view name = v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
    if (write_forwarding("/proc/sys/net", version) && is_on(version)) {
        spdlog::info("{} is switched on, as bridges are masqueraded", name);
        return std::nullopt;
    }
    return fmt::format(
        "the kernel does not forward {} and weftd may not change that, so masqueraded bridges do "
        "not reach the outside: sysctl -w {}=1 (for good: a file in /etc/sysctl.d), or give the "
        "unit masquerade.conf",
        v6 ? "IPv6" : "IPv4", name);
}

}  // namespace weft
