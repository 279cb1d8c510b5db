// Removes the host ends of veth pairs when weftd ends, however it ends. weftd itself has given up the right
// to by then (privileges.h), and such a pair, unlike a TAP, outlives its maker.
//
//   weftd  -- "+weftv0123456789": is to be removed at the end -->  weftd --link-keeper
//          -- "-weftv0123456789": remove it now               -->
//          -- end of file, by exit or by death                -->  removes all that is left, and ends
//
// The keeper is a process of its own, the same program started anew, so that nothing of weftd's memory is in
// it. It keeps CAP_NET_ADMIN alone, behind the filter for system calls, and removes nothing but veths whose
// names begin with `host_end_prefix`: that is what somebody who has taken over weftd could have removed.
// SIGTERM and SIGINT, which a service manager sends to all processes of a service, it ignores.
//
// Limits. If both are killed the host ends stay, until the next start finds them (vswitch/device/veth.h).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "vswitch/system.h"
#include "vswitch/system_call.h"

namespace weft {

inline constexpr std::string_view host_end_prefix = "weftv";
inline constexpr std::string_view link_keeper_option = "--link-keeper";

// weftd's side.
class LinkKeeper {
  public:
    // Starts `program` with the option. Throws std::runtime_error if that cannot be.
    explicit LinkKeeper(const std::string& program = "/proc/self/exe");
    ~LinkKeeper();  // returns when all are removed
    LinkKeeper(const LinkKeeper&) = delete;
    LinkKeeper& operator=(const LinkKeeper&) = delete;

    void keep(const std::string& host_end) { tell('+', host_end); }

    void remove(const std::string& host_end) { tell('-', host_end); }

  private:
    void tell(char what, const std::string& host_end);

    Descriptor socket_;
};

// The other side: what the program does with the option. Returns its exit status.
int run_link_keeper();

inline constexpr std::array link_keeper_system_calls{
    SystemCall{SYS_sendto},
    SystemCall{SYS_read},
    SystemCall{SYS_shutdown},
    SystemCall{SYS_close},
};

}  // namespace weft
