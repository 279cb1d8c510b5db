// A lab's beginning and its end, for the commands: up, run and down.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lab/sandbox.h"
#include "lab/state_folder.h"
#include "lab/topology.h"
#include "vswitch/id.h"

namespace weft::lab {

// Ctrl-C, or another signal that asks the command to end.
class Interrupted : public std::runtime_error {
  public:
    Interrupted() : std::runtime_error("interrupted: the lab is taken down") {}
};

// As long as it is there SIGINT, SIGTERM and SIGHUP end nothing by themselves, and make wait() throw
// Interrupted.
class InterruptWatch {
  public:
    InterruptWatch();
    ~InterruptWatch();
    InterruptWatch(const InterruptWatch&) = delete;
    InterruptWatch& operator=(const InterruptWatch&) = delete;

    // Until `descriptor` is readable.
    void wait(int descriptor) const;

    // False: it was not within `patience`.
    [[nodiscard]] bool wait_for(int descriptor, Duration patience) const;

    void sleep(Duration duration) const;

  private:
    bool wait(int descriptor, std::optional<Duration> patience) const;

    Descriptor signals_;
};

struct LaunchOptions {
    bool rootless = false;
    bool stays = false;  // the lab ends with this process
    std::function<void(const std::string& what)> progress;
};

class Launched {
  public:
    // Returns when the lab is up. Throws std::runtime_error, or Interrupted, when nothing of it is left.
    static Launched up(const InterruptWatch& watch, const Topology& topology, const LaunchOptions& options);

    Launched(Launched&&) noexcept = default;

    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

    // Until it is gone by itself.
    void wait(const InterruptWatch& watch) const;

    // Returns when it is gone, with its folder.
    void down();

  private:
    Launched(FolderClaim claim, Sandbox sandbox) : claim_(std::move(claim)), sandbox_(std::move(sandbox)) {}

    FolderClaim claim_;
    Sandbox sandbox_;
    std::vector<std::string> warnings_;
};

// Ends a running lab of this name, and removes its folder. Throws std::runtime_error if there is none.
void take_down(const std::string& lab);

// By SIGKILL; returns when it is gone. It may be anybody's child.
void end_process(pid_t pid);

// The folder with this program, weftd and weft.
std::string programs_folder();

// $PATH, and that folder before all else if it is not in it: a node's `weft` is of this installation.
std::string search_path(const std::string& programs);

}  // namespace weft::lab
