// What files a lab sees: the machine's, but for
//
//   /proc          of its own processes
//   /run           empty, in memory; /run/netns has its nodes, so that `netns = "host-a"` of a site's
//                  configuration means the lab's host-a; its state folder is where it is outside
//   /var/lib/weft  empty, in memory
//   /etc/hosts     with its nodes' names
//   /sys           in a node's programs: with the node's interfaces (node_sys.h)
//
// What is mounted later is seen by all programs of the lab, and by nobody else.
//
// All else is shared: what a node writes elsewhere, the machine has.
#pragma once

#include <string>

namespace weft::lab {

struct SandboxMounts {
    std::string state_folder;
    std::string hosts;  // the text of /etc/hosts
};

// In a mount namespace of the calling process's own. Throws std::runtime_error.
void mount_sandbox(const SandboxMounts& mounts);

}  // namespace weft::lab
