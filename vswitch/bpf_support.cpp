#ifdef WEFT_BPF

#include "vswitch/bpf_support.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <system_error>

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vswitch/system.h"

namespace weft {

namespace {

// libbpf has the verifier's words, the telling ones at the end; they are kept for the error, not printed.
thread_local std::string libbpf_said;

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    constexpr std::size_t enough = 2000;
    if (level != LIBBPF_WARN) return 0;
    va_list again;
    va_copy(again, arguments);
    const int size = std::vsnprintf(nullptr, 0, format, arguments);
    std::string text(static_cast<std::size_t>(std::max(size, 0)) + 1, '\0');
    std::vsnprintf(text.data(), text.size(), format, again);
    va_end(again);
    text.pop_back();
    libbpf_said += text;
    if (libbpf_said.size() > enough) libbpf_said.erase(0, libbpf_said.size() - enough);
    return size;
}

}  // namespace

std::string message(int error) {
    return std::generic_category().message(error);
}

void listen_to_libbpf() {
    libbpf_set_print(keep);
    libbpf_said.clear();
}

std::string cure_for_loading(int error) {
    if (error == EPERM) return "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";
    if (error == ENOSYS) return "this kernel has no BPF";
    return "this kernel takes no such programs (6.1 or newer does): " + libbpf_said;
}

std::string device_name(unsigned index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(index, name.data()) ? name.data() : "interface " + std::to_string(index);
}

std::expected<LinkLayer, std::string> link_layer_of(unsigned index) {
    ifreq request{};
    const Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!::if_indextoname(index, request.ifr_name) || ::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0)
        return std::unexpected("no " + device_name(index) + " in this network namespace");
    return request.ifr_hwaddr.sa_family == ARPHRD_ETHER ? LinkLayer::ethernet : LinkLayer::none;
}

}  // namespace weft

#endif
