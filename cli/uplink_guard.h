// The early drop (vswitch/early_drop.h) from the side of the control thread: at which uplinks it is and when,
// who is denied there, and what that adds to the node's reports. The workers' deny lists stay the truth: they
// have every prefix, and drop what comes through.
//
//   [fastpath] mode   the program is at the uplinks
//   "auto"            while somebody is denied, where it can be had
//   "xdp"             from the start, or the daemon does not start
//   "tc", "off"       never
//
// The program is loaded while the daemon has its privileges. Attaching needs none, and so can be done when
// somebody is denied by a command. What cannot be had is logged when it is first wanted, and when the reason
// is another one; it is tried again whenever the list has been empty.
//
// Owner: the control thread, the one that calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/deny.h"
#include "cli/report.h"
#include "cli/uplinks.h"
#include "config/config.h"
#include "overlay/snapshot.h"
#include "vswitch/early_drop.h"

namespace weft {

class UplinkGuard {
  public:
    // Whether the sandbox must allow early_drop_system_calls.
    static bool is_wanted(const config::FastPath& fast_path) noexcept;

    // Before anybody is denied. `endpoints`: where the node receives. Throws std::runtime_error if it is to
    // be there and cannot.
    void open(const config::Config& config, std::vector<Endpoint> endpoints);

    // What is not denied goes on to this XDP program, wherever the early drop is. Throws likewise.
    void go_on_to(int program);

    // VXLAN is taken off at the uplinks' drivers (FastPath::unwrapping_program).
    [[nodiscard]] bool unwraps() const noexcept { return mode_ == Mode::xdp; }

    void change(DeniedSources::Change change, const Prefix& prefix);

    // What was dropped early is denied like what the workers have dropped.
    void add_to(Snapshot& snapshot) const;

    [[nodiscard]] std::vector<UplinkInfo> report() const;

  private:
    using Mode = config::FastPath::Mode;

    struct Guarded {
        Uplink device;
        std::string why_not;  // it cannot be guarded, ever
        std::string refused;  // the last time
    };

    void attach();
    void attach(Guarded& uplink);
    [[nodiscard]] bool is_attached() const;
    [[nodiscard]] std::optional<EarlyDrop::Mode> mode_at(const Guarded& uplink) const;

    Mode mode_ = Mode::off;
    std::optional<EarlyDrop> early_drop_;
    std::vector<Guarded> uplinks_;
    std::size_t denied_ = 0;  // prefixes
};

}  // namespace weft
