// A flow of its own for the packets by which the fast path's ways are tried (path_probe.h, uplink_probe.h),
// in the last slot of all, which no worker has. For their .cpp files alone.
//
// The packets can do no harm, wherever they come to: a MAC address for nobody, addresses for documentation
// (RFC 5737), the port for what is to be discarded (RFC 863), one hop to live, and an IPv4 header whose
// checksum is wrong, which the programs leave to the receiver: every stack drops it first of all, in silence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "vswitch/bpf/layout.h"
#include "vswitch/flow.h"

namespace weft {

// A frame, or without its Ethernet header a datagram.
std::vector<std::uint8_t> probe_frame();
std::span<const std::uint8_t> probe_datagram(const std::vector<std::uint8_t>& frame);

// As the programs know it there: from a device or a peer's number.
FlowKey probe_key(bool is_frame);

// The flow, as long as this object lives. One at a time.
class ProbeFlow {
  public:
    // Of the maps' descriptors.
    ProbeFlow(int flows, int actions, const FlowKey& key, std::uint32_t source, std::uint64_t verdict,
              const fast_encapsulation& encapsulation = {});
    ProbeFlow(const ProbeFlow&) = delete;
    ProbeFlow& operator=(const ProbeFlow&) = delete;
    ~ProbeFlow();

    // False: it could not be inserted; errno says why.
    [[nodiscard]] bool is_there() const noexcept { return is_there_; }

  private:
    int flows_;
    int actions_;
    fast_action action_{};
    std::uint32_t slot_ = 0;
    bool is_there_ = false;
};

}  // namespace weft
