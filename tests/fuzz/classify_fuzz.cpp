// Arbitrary bytes as a frame and as a datagram: the classifier must stay inside them, and so must its
// offsets.
#include <cstdlib>
#include <span>

#include "vswitch/flow.h"
#include "vswitch/headers.h"
#include "vswitch/port_guard.h"

namespace {

using namespace weft;

void require(bool holds) {
    if (!holds) std::abort();
}

void check(std::span<const std::uint8_t> bytes, const Classified& what) {
    if (!what.is_ip()) return require(what.transport == Classified::absent);
    require(what.flow.source.is_v6() ? view<Ipv6Header>(bytes, what.network) != nullptr
                                     : view<Ipv4Header>(bytes, what.network) != nullptr);
    if (what.transport == Classified::absent) return;
    switch (what.flow.protocol) {
        case ip_protocol::tcp: {
            const auto* tcp = view<TcpHeader>(bytes, what.transport);
            require(tcp != nullptr && tcp->header_size() <= bytes.size() - what.transport);
            break;
        }
        case ip_protocol::udp:
            require(view<UdpHeader>(bytes, what.transport) != nullptr);
            break;
        default:
            require(view<IcmpHeader>(bytes, what.transport) != nullptr);
            break;
    }
}

// Of the station that the frame says it is from: it gets past the first question.
void check_guard(std::span<const std::uint8_t> bytes, const Classified& what) {
    const MacAddress& mac = what.flow.source_mac;
    const PortGuard guard{mac, {what.flow.source}};
    require(guard.check(bytes, what) != Drop::spoofed_mac);
    const PortGuard other{MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(mac.octets[5] ^ 1U)}}, {}};
    require(other.check(bytes, what) == Drop::spoofed_mac);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span bytes(data, size);
    if (size > 65536) return 0;  // no packet is larger
    if (const auto what = classify_frame(bytes, untagged)) {
        check(bytes, *what);
        const FlowKey same = what->flow;
        require(hash(same) == hash(what->flow));
        check_guard(bytes, *what);
    }
    if (const auto what = classify_datagram(bytes)) check(bytes, *what);
    return 0;
}
