// A veth pair as a port: one end lies in the namespace of a container, the other, the *host end*, in ours,
// beside a TAP that weft reads and writes. What passes the frames between the two, the patch, is not made
// here:
//
//   container's namespace  |  the daemon's
//   c1 (veth)  <--------------->  weftv0123456789 (host end)  <-- patch -->  weftt0123456789 (TAP)  <--> weft
//
// Why a TAP: a packet socket on the host end sees frames before tc does, so what the patch has already
// delivered would come to weft as well.
//
// The host end and the TAP have no addresses, and the kernel sends nothing through them. Both have the MTU of
// the end in the container. Offloads are left as a veth's are, unless it is to merge TCP (veth_merging.h).
//
// The TAP goes away with its queues; the pair does not go away with its maker, who has lost the privilege by
// then. It ends with the container's namespace, or by Netlink::remove_veth(). A host end that stands without
// its TAP is what a dead process has left: it is removed before the pair is made anew, or, if pairs are kept,
// used as it is, so that who lives in the namespace does not notice.
#pragma once

#include <string>
#include <utility>

#include "vswitch/device/new_interface.h"
#include "vswitch/device/tuntap.h"

namespace weft {

struct VethOptions {
    NewInterface inner;    // in its namespace, which is required; txqueuelen is the TAP's too
    std::string host_end;  // names
    std::string tap;
    std::string alias;    // of both, for people
    bool keep = false;    // use the pair that stands there, if there is one
    bool merges = false;  // TCP that its host end sends
};

class VethPort {
  public:
    // Throws std::runtime_error that says what was attempted, on which device, and the cure (name taken, no
    // such namespace, address in use). Nothing is left then.
    VethPort(const VethOptions& options, unsigned queues);

    [[nodiscard]] int host_index() const noexcept { return host_index_; }

    [[nodiscard]] int tap_index() const noexcept { return tap_.index; }

    // As was wanted.
    [[nodiscard]] bool merges() const noexcept { return merges_; }

    [[nodiscard]] const TunTapParts& tap() const noexcept { return tap_; }

    // Once.
    [[nodiscard]] TunTapParts take_tap() noexcept { return std::move(tap_); }

  private:
    int host_index_ = 0;
    bool merges_ = false;
    TunTapParts tap_;
};

}  // namespace weft
