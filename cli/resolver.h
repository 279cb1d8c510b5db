// Turns the host part of a peer's endpoint into an address without holding up the control loop: lookups run
// on a thread of their own, one after the other, and a failed one is repeated until it succeeds or is
// forgotten.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cli/loop.h"
#include "vswitch/address.h"
#include "vswitch/system_call.h"

namespace weft {

class Resolver {
  public:
    explicit Resolver(Loop& loop);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls `resolved` on the loop, once, with the first address of `host`; `failed`, after each failure,
    // with the reason. `key` names the lookup for forget().
    void lookup(std::uint32_t key, std::string host, std::function<void(const IpAddress&)> resolved,
                std::function<void(const std::string&)> failed);
    void forget(std::uint32_t key);

  private:
    struct Lookup {
        std::uint32_t key;
        std::string host;
        std::function<void(const IpAddress&)> resolved;
        std::function<void(const std::string&)> failed;
        std::optional<IpAddress> address;
        std::string error;
    };

    void work();
    void collect();

    Wakeup wakeup_;
    Timer retry_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Lookup> waiting_;
    std::list<Lookup> done_;
    std::list<Lookup> failed_;  // until retry_
    bool stopping_ = false;
    std::thread thread_;
};

// getaddrinfo(3) reads /etc/hosts, /etc/resolv.conf and their kind, asks nscd by a Unix socket, name servers
// by UDP and TCP, and the kernel which addresses this machine has.
inline constexpr std::array resolver_system_calls{
    SystemCall{SYS_openat, 2, 0, O_ACCMODE | O_CREAT | O_TRUNC},
    SystemCall{SYS_newfstatat},
    SystemCall{SYS_read},
    SystemCall{SYS_lseek},
    SystemCall{SYS_close},
    SystemCall{SYS_socket, 0, AF_INET},
    SystemCall{SYS_socket, 0, AF_INET6},
    SystemCall{SYS_socket, 0, AF_UNIX},
    SystemCall{SYS_socket, 0, AF_NETLINK},
    SystemCall{SYS_bind},
    SystemCall{SYS_connect},
    SystemCall{SYS_getsockname},
    SystemCall{SYS_getpeername},
    SystemCall{SYS_getsockopt},
    SystemCall{SYS_setsockopt, 1, IPPROTO_IP},
    SystemCall{SYS_setsockopt, 1, IPPROTO_IPV6},
    SystemCall{SYS_sendto},
    SystemCall{SYS_sendmsg},
    SystemCall{SYS_sendmmsg},
    SystemCall{SYS_recvfrom},
    SystemCall{SYS_recvmsg},
    SystemCall{sys_poll},
    SystemCall{SYS_ioctl, 1, FIONREAD},
    SystemCall{SYS_uname},
    SystemCall{SYS_getpid},
    SystemCall{SYS_clock_gettime},
};

}  // namespace weft
