// Makes the kernel's side of a port: the device, and what the fast path has there. It takes privileges, so it
// is done by the keeper (keeper.h), also for a weftd that is just starting; weftd uses what comes out of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "vswitch/device/device.h"
#include "vswitch/device/new_interface.h"
#include "vswitch/device/tuntap.h"
#include "vswitch/port_hooks.h"

namespace weft {

inline constexpr std::string_view host_end_prefix = "weftv";

// What is wanted.
struct PortOrder {
    config::Port::Type type = config::Port::Type::tap;
    NewInterface interface;
    unsigned queues = 1;  // one for each worker
    // Of a veth.
    std::string host_end{};
    std::string tap{};
    std::string alias{};
    bool patch_by_tc = false;
    bool keep = false;           // it outlives weftd
    bool merges = false;         // TCP that comes out of VXLAN, if there is a fast path
    std::string no_fast_path{};  // why there is none; empty: there is one
};

// What has become of it. A veth that could not be patched is a TAP in its namespace.
struct MadePort {
    bool is_packet = false;
    bool is_veth = false;
    std::string device{};               // its name
    std::string note{};                 // for the log; empty: nothing to tell
    TunTapParts tuntap{};               // of a TUN or TAP, and of a veth
    std::vector<Descriptor> sockets{};  // of a packet port
    std::optional<PortHooks> hooks{};
};

// Without programs there is no fast path. Throws std::runtime_error that says what was attempted, on which
// device, and the cure; nothing is left then.
MadePort make_port(const PortOrder& order, const std::optional<HookPrograms>& programs);

// A port that another weftd has made by the same order and handed over (handover.h): its queues are there.
struct StandingPort {
    PortOrder order;
    bool is_veth = false;
    bool has_hooks = false;  // of the other weftd's fast path
    int index = 0;           // of the device that has the queues
};

// What is missing of it: all but the queues. Hooks come after those that are there, which are still asked
// first, so that no packet is without one. Throws std::runtime_error if it does not stand as it did.
MadePort adopt_port(const StandingPort& standing, const std::optional<HookPrograms>& programs);

// A queue for each worker; leaves the hooks.
std::vector<std::unique_ptr<Device>> use_port(MadePort& made);

}  // namespace weft
