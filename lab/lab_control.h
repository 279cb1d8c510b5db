// How a running lab is spoken to: JSON-RPC over control.sock in its state folder (cli/control.h).
//
//   status                           report() of lab_report.h
//   set      target direction? settings     keys and values of [link.impair], and "up", for a link or a node
//   events                           those of the file
//   event    number                  one of them, now
//   node     name                    what a program in it needs: its environment
//   run      node command within_s   a shell command; "ended" is notified with status, timed_out and output
//   start    node command            one that goes on: its pid
//   end      pid                     with its process group
//   step     number                  the action of a step of the script, which is no command
//   down                             ends the lab
#pragma once

#include <functional>
#include <string>

#include "cli/control.h"
#include "lab/runner.h"

namespace weft::lab {

inline constexpr const char* control_socket = "control.sock";

class LabControl {
  public:
    LabControl(Runner& runner, std::function<void()> down);
    LabControl(const LabControl&) = delete;
    LabControl& operator=(const LabControl&) = delete;

  private:
    void add_events();
    void add_programs();

    Runner& runner_;
    std::function<void()> down_;
    Timer ending_;
    ControlServer server_;
};

}  // namespace weft::lab
