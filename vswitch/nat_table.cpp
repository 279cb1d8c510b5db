#include "vswitch/nat_table.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <stdexcept>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <nftables/libnftables.h>

#include "vswitch/system.h"

namespace weft {

namespace {

constexpr std::string_view cure =
    "run as root or with CAP_NET_ADMIN, on Linux 5.12 or newer with nf_tables (modprobe nf_tables)";

// Without one libnftables would end the process.
void require_netfilter() {
    const Descriptor probe{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)};
    if (!probe)
        throw_system_error("cannot open a netfilter socket for masquerading", errno, std::string{cure});
}

int socket_option(int fd, int option) noexcept {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// libnftables' socket is inherited by programs that are started, and with it the table would outlive weftd.
void keep_to_this_process() {
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        const std::string name = entry.path().filename();
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        if (socket_option(fd, SO_DOMAIN) == AF_NETLINK && socket_option(fd, SO_PROTOCOL) == NETLINK_NETFILTER)
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

// Sets of nftables refuse intervals that overlap.
std::vector<Prefix> outermost(const std::vector<Prefix>& prefixes, bool v6) {
    std::vector<Prefix> networks;
    for (const Prefix& prefix : prefixes) {
        if (prefix.address.is_v6() == v6) networks.push_back(prefix.network());
    }
    std::ranges::sort(networks, {}, &Prefix::length);
    std::vector<Prefix> result;
    for (const Prefix& network : networks) {
        if (std::ranges::none_of(result, [&](const Prefix& outer) { return outer.overlaps(network); }))
            result.push_back(network);
    }
    std::ranges::sort(result);
    return result;
}

// Between quotation marks nothing can be escaped, and an asterisk stands for many names.
std::string quoted_device(const std::string& name) {
    const auto is_special = [](char letter) {
        return letter == '"' || letter == '*' || letter == '\\' ||
               std::iscntrl(static_cast<unsigned char>(letter)) != 0;
    };
    if (std::ranges::any_of(name, is_special)) {
        throw std::runtime_error("cannot masquerade what does not leave by device " + name +
                                 ": nftables cannot have this name: give the device another one");
    }
    return '"' + name + '"';
}

std::string joined(const std::vector<std::string>& texts) {
    std::string result;
    for (const std::string& text : texts) {
        if (!result.empty()) result += ", ";
        result += text;
    }
    return result;
}

std::string rule(const NatRules& rules, bool v6) {
    std::vector<std::string> networks;
    for (const Prefix& network : outermost(rules.sources, v6)) networks.push_back(network.to_string());
    if (networks.empty()) return {};
    std::vector<std::string> devices;
    devices.reserve(rules.devices.size());
    for (const std::string& device : rules.devices) devices.push_back(quoted_device(device));
    const std::string out = devices.empty() ? "" : " oifname != { " + joined(devices) + " }";
    return std::string{v6 ? "ip6" : "ip"} + " saddr { " + joined(networks) + " }" + out + " masquerade\n";
}

// The library is loaded by who needs it: with all that it needs itself it takes more than half a megabyte.
class Library {
  public:
    Library() : handle_(::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) fail();
    }

    template <class Function>
    Function function(const char* name) const {
        void* const found = ::dlsym(handle_, name);
        if (found == nullptr) fail();
        return reinterpret_cast<Function>(found);
    }

  private:
    [[noreturn]] static void fail() {
        throw std::runtime_error(std::string{"cannot load libnftables for masquerading: "} + ::dlerror() +
                                 ": apt install libnftables1");
    }

    void* handle_;  // for as long as the process runs
};

}  // namespace

struct NatTable::Context {
    Library library;
    decltype(&nft_run_cmd_from_buffer) run =
        library.function<decltype(&nft_run_cmd_from_buffer)>("nft_run_cmd_from_buffer");
    decltype(&nft_ctx_get_error_buffer) error =
        library.function<decltype(&nft_ctx_get_error_buffer)>("nft_ctx_get_error_buffer");
    decltype(&nft_ctx_free) free = library.function<decltype(&nft_ctx_free)>("nft_ctx_free");
    nft_ctx* handle = library.function<decltype(&nft_ctx_new)>("nft_ctx_new")(NFT_CTX_DEFAULT);

    Context() {
        if (handle == nullptr) throw std::bad_alloc();
        // Or it would write to standard output and error.
        library.function<decltype(&nft_ctx_buffer_output)>("nft_ctx_buffer_output")(handle);
        library.function<decltype(&nft_ctx_buffer_error)>("nft_ctx_buffer_error")(handle);
    }

    ~Context() { free(handle); }

    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
};

std::string nat_table_name(std::string_view node) {
    std::string name{"weft_"};
    for (const char letter : node) {
        const bool allowed = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' ||
                             letter == '_' || letter == '.';
        name += allowed ? letter : '_';
    }
    return name;
}

// A table can only be removed that is there: so it is added, removed, and made. One that has an owner cannot
// be added again.
std::string to_ruleset(const NatRules& rules, bool again) {
    const std::string table = "table inet " + nat_table_name(rules.node);
    return (again ? "" : table + "\n") + "delete " + table + "\n" + table +
           " {\nflags owner\nchain outward {\n"
           "type nat hook postrouting priority srcnat; policy accept;\n" +
           rule(rules, false) + rule(rules, true) + "}\n}\n";
}

NatTable::NatTable() {
    require_netfilter();
    context_ = std::make_unique<Context>();
    keep_to_this_process();
}

NatTable::~NatTable() = default;

void NatTable::install(const NatRules& rules) {
    const int status = context_->run(context_->handle, to_ruleset(rules, installed_).c_str());
    keep_to_this_process();  // it may have opened another one
    installed_ = installed_ || status == 0;
    if (status == 0) return;
    const std::string said = context_->error(context_->handle);
    throw std::runtime_error("cannot install the nftables table " + nat_table_name(rules.node) + ": " +
                             said.substr(0, said.find('\n')) + ": " + std::string{cure});
}

}  // namespace weft
