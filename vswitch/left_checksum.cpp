#include "vswitch/left_checksum.h"

#include <cstddef>

#include "vswitch/checksum.h"
#include "vswitch/flow.h"
#include "vswitch/headers.h"

namespace weft {

void mark_left_checksum(Packet& frame) noexcept {
    const auto what = classify_frame(frame.bytes(), untagged);
    if (!what || what->transport == Classified::absent || what->is_fragment) return;
    const FlowKey& flow = what->flow;
    std::size_t field = 0;
    if (flow.protocol == ip_protocol::tcp) {
        field = offsetof(TcpHeader, checksum);
    } else if (flow.protocol == ip_protocol::udp) {
        field = offsetof(UdpHeader, checksum);
    } else {
        return;
    }
    const bool is_v6 = flow.source.is_v6();
    const std::size_t end =
        is_v6 ? what->network + sizeof(Ipv6Header) +
                    view<Ipv6Header>(frame.bytes(), what->network)->payload_length
              : what->network + std::size_t{view<Ipv4Header>(frame.bytes(), what->network)->total_length};
    const auto* checksum = view<be16>(frame.bytes(), what->transport + field);
    if (checksum == nullptr || end > frame.size() || end <= what->transport) return;
    const auto length = static_cast<std::uint32_t>(end - what->transport);
    if (*checksum != pseudo_header_sum(flow.source, flow.destination, flow.protocol, length).partial())
        return;
    frame.offload().needs_checksum = true;
    frame.offload().checksum_offset = static_cast<std::uint16_t>(field);
    frame.set_checksum_start(what->transport);
}

}  // namespace weft
