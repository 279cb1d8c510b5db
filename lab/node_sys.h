// /sys of a program in a node: it shows the interfaces of the network namespace in which it was mounted, so
// each program gets one of its own, in a mount namespace of its own, over the machine's. What is mounted
// below the machine's, as /sys/fs/cgroup, is there as before. All other mounts are the lab's, shared by its
// programs (sandbox_mounts.h).
//
// A user who is not root gets it if all of /sys is to be seen where the lab is; a container may hide parts.
// Then, or if something else is refused, /sys stays as it was.
#pragma once

#include <string>
#include <vector>

namespace weft::lab {

class NodeSys {
  public:
    // As it is mounted where the process is now. Allocates and reads /proc, which mount() does not.
    NodeSys();

    // The calling process, a thread alone, is in the node's network namespace, and then in a mount namespace
    // of its own. Makes system calls only: for the child of a clone() that shares memory.
    void mount() const noexcept;

  private:
    unsigned long flags_ = 0;
    std::vector<std::string> below_;  // "/sys/fs/cgroup": mounts, but for those below them
};

}  // namespace weft::lab
