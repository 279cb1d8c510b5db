// TCP segments that come to a container one by one, out of VXLAN, are made super-frames again (GRO) at its
// end of the veth. The kernel does it for what the host end *sends*, if that has no segmentation offload of
// its own (veth_skb_is_eligible_for_gro() in drivers/net/veth.c); what bpf_redirect_peer() delivers goes past
// it, and past the missing offload.
#pragma once

#include <string>

#include "vswitch/device/new_interface.h"

namespace weft {

// Off, both ends are as a veth's are at first. Returns whether they merge now: the kernel may not allow it.
bool set_merging(const std::string& host_end, const NewInterface& inner, bool on);

}  // namespace weft
