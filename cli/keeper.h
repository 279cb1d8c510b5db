// The keeper has the privileges that weftd gives up when it has started (privileges.h): it makes the devices
// of ports, also of those that are added later, and removes what outlives its maker when weftd ends, however
// it ends.
//
//   weftd  -- a request, one at a time -------------->  weftd --keeper
//          <- its answer, with the descriptors of it --
//          -- end of file, by exit or by death ------>  removes all that is not to be kept, and ends
//
// The keeper is a process of its own, the same program started anew, so that nothing of weftd's memory is in
// it: neither keys nor what came from the network. It keeps the capabilities that it takes to make devices,
// in any network namespace, and nothing else. SIGTERM, SIGINT and SIGHUP, which a service manager sends to
// all processes of a service, it ignores.
//
// It can be asked to become the next weftd when this one has ended (weft upgrade): it runs the program that
// this weftd is a process of, as it is installed then, by the same command line. So the pid changes. For this
// it keeps CAP_SETUID and CAP_SETGID, if it is root's: the successor becomes the node's user.
//
// What somebody who has taken over weftd could do by it: make TUN, TAP and veth devices and packet sockets,
// and routes over them, in network namespaces that have a path; read keys in the folders of the node's keys.
//
// When weftd leaves its ports to the next one (handover.h), nothing is removed at the end.
//
// Limits. If both are killed the host ends of veth pairs stay, until the next start finds them
// (vswitch/device/veth.h).
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "cli/descriptor_channel.h"
#include "cli/port_maker.h"
#include "vswitch/address.h"
#include "vswitch/nat_table.h"
#include "vswitch/system_call.h"

namespace weft {

inline constexpr std::string_view keeper_option = "--keeper";

// weftd's side. All methods wait for the keeper, and throw std::runtime_error with what it says.
class Keeper {
  public:
    // What starts the node again: a program, and what it is told beside --config.
    struct Successor {
        std::string program;
        std::vector<std::string> options{};
    };

    // Starts `program` with the option. `config`: the file, in whose folder are the node's keys.
    Keeper(const std::string& config, const Successor& successor,
           const std::string& program = "/proc/self/exe");
    ~Keeper();  // returns when all is removed
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    void use(const HookPrograms& programs);

    [[nodiscard]] MadePort make(const PortOrder& order);

    // One that the last weftd has left: see adopt_port().
    [[nodiscard]] MadePort adopt(const StandingPort& standing);

    // What was made stays when this weftd ends: the next one adopts it.
    void leave();

    // Whether the successor's program, as it is now, can be run.
    void try_successor();

    // When this weftd has ended, the keeper becomes its successor and has these descriptors, by the protocol
    // of sd_listen_fds(3). They stay the caller's.
    void succeed(const std::vector<std::pair<std::string, int>>& descriptors);

    // A veth pair that was made; nothing happens if there is none of this name.
    void remove(const std::string& host_end);

    void set_mtu(const std::optional<std::string>& netns, const std::string& device, std::uint16_t mtu);

    // Makes the kernel's routes over a device what they should be. Returns those of `add` that could not be
    // had because there are others to the same prefix.
    struct Routes {
        std::optional<std::string> netns;
        std::string device;
        std::set<Prefix> add;
        std::set<Prefix> remove;
    };

    std::set<Prefix> route(const Routes& routes);

    // The host's rules for masqueraded bridges, or none. Returns what stands in the way of the bridges.
    std::vector<std::string> masquerade(const std::optional<NatRules>& rules);

    // A key file, open for reading.
    [[nodiscard]] Descriptor open_key(const std::string& path);

    // The configuration file as it is now, and as it was when the keeper began.
    [[nodiscard]] std::string read_config();
    [[nodiscard]] std::string read_start_config();

  private:
    ChannelMessage ask(const nlohmann::json& request, const std::vector<int>& descriptors = {});

    std::string config_;
    DescriptorChannel channel_;
};

// The other side: what the program does with the option. Returns its exit status.
int run_keeper();

inline constexpr std::array keeper_system_calls{
    SystemCall{SYS_sendmsg},
    SystemCall{SYS_recvmsg},
    SystemCall{SYS_shutdown},
    SystemCall{SYS_getsockname},
    SystemCall{SYS_getsockopt, 1, SOL_SOCKET},
    SystemCall{SYS_close},
};

}  // namespace weft
