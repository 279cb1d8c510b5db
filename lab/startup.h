// What comes after a lab's devices are there, one after the other and each waited for: the commands of the
// file that come first, those of the hosts, and for each site its commands and its weftd, until that answers.
// It goes on by the event loop, which carries the lab's packets meanwhile.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/loop.h"
#include "lab/runner.h"
#include "vswitch/system.h"

namespace weft::lab {

class Startup {
  public:
    // `finished` is called when all is there. What fails is thrown out of the loop.
    Startup(Runner& runner, Progress progress, std::function<void()> finished);

    void begin() { next(); }

  private:
    void next();
    void run_init(const std::string& command);
    void run_site_command(NodeIndex site, const std::string& command);
    void start_host_command(NodeIndex host, const std::string& command);
    void start_weftd(NodeIndex site);
    void look_for_weftd(NodeIndex site);
    [[nodiscard]] bool weftd_answers();

    Runner& runner_;
    Progress progress_;
    std::function<void()> finished_;
    std::vector<std::function<void()>> steps_;
    std::size_t step_ = 0;
    Timer again_;
    std::function<void()> look_;
    pid_t weftd_ = 0;
    std::string control_;
    Descriptor question_;  // to weftd
    Instant patience_;
};

}  // namespace weft::lab
