#include "vswitch/left_to_device.h"

#include <cstddef>

#include "vswitch/checksum.h"
#include "vswitch/flow.h"
#include "vswitch/headers.h"

namespace weft {

namespace {

void mark_super_frame(Packet& frame, const Classified& what, std::uint16_t mtu) noexcept {
    const auto* tcp = view<TcpHeader>(frame.bytes(), what.transport);
    const std::size_t headers = what.transport - what.network + tcp->header_size();
    if (headers >= mtu) return;
    Offload& offload = frame.offload();
    offload.gso = what.flow.source.is_v6() ? Offload::Gso::tcp6 : Offload::Gso::tcp4;
    offload.ecn = (tcp->flags & TcpHeader::cwr) != 0;
    offload.gso_size = static_cast<std::uint16_t>(mtu - headers);
}

}  // namespace

void mark_left_to_device(Packet& frame, std::uint16_t mtu) noexcept {
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
    if (checksum == nullptr || end != frame.size()) return;  // what is behind would count as payload
    const auto length = static_cast<std::uint32_t>(end - what->transport);
    if (*checksum != pseudo_header_sum(flow.source, flow.destination, flow.protocol, length).partial())
        return;
    frame.offload().needs_checksum = true;
    frame.offload().checksum_offset = static_cast<std::uint16_t>(field);
    frame.set_checksum_start(what->transport);
    if (flow.protocol == ip_protocol::tcp && end - what->network > mtu) mark_super_frame(frame, *what, mtu);
}

}  // namespace weft
