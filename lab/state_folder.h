// The folder of a running lab: /run/weft-lab/NAME, or without root $XDG_RUNTIME_DIR/weft-lab/NAME;
// WEFT_LAB_FOLDER names another one for NAME to be in. In it are
//
//   lock           held by the lab's processes, and by nobody when they are gone, however they went
//   control.sock   JSON-RPC (lab_control.h)
//   capture.sock   pcapng (capture.h)
//   lab.log        what the lab says; NODE.log: what the node's processes say
//   hosts          /etc/hosts as the lab has it
//
// A lab that was killed leaves its folder, with a lock that is free: the next one of the name takes it over,
// and `weft lab clean` removes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vswitch/system.h"

namespace weft::lab {

// What a lab can be called: letters, digits, '.', '_' and '-', 32 at most, a letter or digit first.
bool is_lab_name(const std::string& name) noexcept;

// Of all labs of this user.
std::string labs_folder();

std::string state_folder(const std::string& lab);

// The names of all that have a folder, running or not, in order.
std::vector<std::string> known_labs();

bool is_running(const std::string& lab);

// Holds the lock of a lab's folder. A forked process holds it, too, until all copies are gone.
class FolderClaim {
  public:
    // Makes the folder, or empties the one of a lab that is gone. Throws std::runtime_error if the lab runs.
    static FolderClaim take(const std::string& lab);

    // Without the wait for it; nothing: there is no such folder, or somebody else holds it.
    static std::optional<FolderClaim> try_existing(const std::string& lab);

    // With all that is in it.
    void remove_folder();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    FolderClaim(std::string path, Descriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    Descriptor lock_;
};

}  // namespace weft::lab
