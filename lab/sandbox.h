// The process that is a lab, apart from the machine: in namespaces of its own for processes, mounts, networks
// and the host name, and without root in a user namespace, where it is root. It is process 1 there: when it
// ends, however it does, the kernel ends every process of the lab, and with the last one go the namespaces
// and the devices in them.
//
//   front (weft lab up)  -- forks -->  a process that unshares  -- forks -->  the lab, process 1
//          <------------------------- messages (JSON) ---------------------------
//          -- {"go_on": true} when the lab is up, or the end of the file: then the lab ends ----->
//
// A lab whose front dies before it is up ends as well.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>

#include "cli/descriptor_channel.h"
#include "vswitch/system.h"

namespace weft::lab {

// As ps(1) shows the lab's process.
inline constexpr const char* runner_name = "weft-lab-runner";

struct SandboxOptions {
    bool rootless = false;  // in a user namespace also as root
    std::string folder;     // the lab's state folder; its log is there
};

struct Sandbox {
    DescriptorChannel channel;
    pid_t pid = 0;  // as it is seen from here
};

// Returns when the process is there. `inside` runs in it, with the other end of the channel; what it throws
// is sent as {"error": ...}, and its value is the exit status. Throws std::runtime_error with the cure if the
// kernel does not permit it. The calling process has one thread.
Sandbox start_sandbox(const SandboxOptions& options, const std::function<int(DescriptorChannel&)>& inside);

}  // namespace weft::lab
