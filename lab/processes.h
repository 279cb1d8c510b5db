// Programs in a lab's nodes, each in a process group of its own: started in the node's network namespace,
// waited for when they end. The lab is process 1 of its namespace, so it also waits for whoever lost its
// parent. Programs end with the lab at the latest.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <sys/types.h>

#include "cli/loop.h"
#include "lab/node_sys.h"
#include "lab/spawn.h"

namespace weft::lab {

struct ProgramEnd {
    int status = 0;  // as a shell has it: 128 and the number of the signal that ended it
    bool timed_out = false;
    std::string output;  // the first MiB
};

class Processes {
  public:
    explicit Processes(Loop& loop);
    ~Processes();
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    // Output is appended to the file `log`. Throws std::runtime_error if it cannot be started.
    pid_t start(const Program& program, const std::string& log, std::function<void(int status)> ended = {});

    // Output is kept for `ended`; killed with its group when `within` is over.
    pid_t run(const Program& program, Duration within, std::function<void(ProgramEnd)> ended);

    void kill_group(pid_t pid) noexcept;

    [[nodiscard]] bool is_alive(pid_t pid) const noexcept;

  private:
    struct Running;
    void reap();

    Loop& loop_;
    NodeSys sys_;
    std::map<pid_t, std::unique_ptr<Running>> running_;
    Signal child_ended_;
};

}  // namespace weft::lab
