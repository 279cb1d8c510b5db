// Finds the addresses of a name without holding up the control loop: lookups run on a thread of their own,
// one after the other. A name server that does not answer holds up the other lookups, and nothing else: a
// lookup that is under way when its Resolver goes is left to end by itself.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "cli/loop.h"
#include "vswitch/address.h"
#include "vswitch/system_call.h"

namespace weft {

struct Resolved {
    std::vector<IpAddress> addresses;  // none: it failed
    std::string error;                 // why
};

// As the system does it (getaddrinfo): the best address first. May take long.
Resolved look_up(const std::string& host);

class Resolver {
  public:
    using LookUp = std::function<Resolved(const std::string& host)>;

    explicit Resolver(Loop& loop, LookUp look_up = weft::look_up);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls `done` on the loop, once. `key` names the lookup for forget().
    void lookup(std::uint32_t key, std::string host, std::function<void(const Resolved&)> done);
    void forget(std::uint32_t key);

  private:
    struct State;

    static void work(const std::shared_ptr<State>& state, const LookUp& look_up);
    void collect();

    Wakeup wakeup_;
    std::shared_ptr<State> state_;
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
