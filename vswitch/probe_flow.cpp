#ifdef WEFT_BPF

#include "vswitch/probe_flow.h"

#include <cstring>

#include <bpf/bpf.h>

#include "vswitch/fast_path_kernel.h"
#include "vswitch/headers.h"
#include "vswitch/id.h"

namespace weft {

namespace {

constexpr MacAddress destination_mac{{0x02, 0x77, 0x65, 0x66, 0x74, 3}};
constexpr MacAddress source_mac{{0x02, 0x77, 0x65, 0x66, 0x74, 0}};
constexpr std::array<std::uint8_t, 4> destination{192, 0, 2, 252};
constexpr std::array<std::uint8_t, 4> source{192, 0, 2, 253};
constexpr std::uint16_t discard_port = 9;
constexpr std::size_t payload_size = 18;  // so that the frame has Ethernet's least size

}  // namespace

std::vector<std::uint8_t> probe_frame() {
    constexpr std::uint16_t udp_size = sizeof(UdpHeader) + payload_size;
    const EthernetHeader ethernet{
        .destination = destination_mac, .source = source_mac, .type = ether_type::ipv4};
    const Ipv4Header ip{.version_ihl = 0x45,
                        .total_length = static_cast<std::uint16_t>(sizeof(Ipv4Header) + udp_size),
                        .identification = {},
                        .flags_fragment = {},
                        .ttl = 1,
                        .protocol = ip_protocol::udp,
                        .checksum = 0xDEAD,  // 0x33C6 would be right
                        .source = source,
                        .destination = destination};
    // A UDP checksum there has to be: what comes from a peer has no flow without.
    const UdpHeader udp{.source_port = discard_port,
                        .destination_port = discard_port,
                        .length = udp_size,
                        .checksum = 0xDEAD};
    std::vector<std::uint8_t> frame(sizeof ethernet + sizeof ip + udp_size);
    std::memcpy(frame.data(), &ethernet, sizeof ethernet);
    std::memcpy(frame.data() + sizeof ethernet, &ip, sizeof ip);
    std::memcpy(frame.data() + sizeof ethernet + sizeof ip, &udp, sizeof udp);
    return frame;
}

std::span<const std::uint8_t> probe_datagram(const std::vector<std::uint8_t>& frame) {
    return std::span{frame}.subspan(sizeof(EthernetHeader));
}

FlowKey probe_key(bool is_frame) {
    return {.destination_mac = is_frame ? destination_mac : MacAddress{},
            .source_mac = is_frame ? source_mac : MacAddress{},
            .ether_type = ether_type::ipv4,
            .vlan = untagged,
            .source = IpAddress::v4(source),
            .destination = IpAddress::v4(destination),
            .protocol = ip_protocol::udp,
            .source_port = discard_port,
            .destination_port = discard_port};
}

ProbeFlow::ProbeFlow(int flows, int actions, const FlowKey& key, std::uint32_t source, std::uint64_t verdict,
                     const fast_encapsulation& encapsulation)
    : flows_(flows), actions_(actions) {
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    const auto words = kernel_key(key, source);
    if (!words || bpf_obj_get_info_by_fd(actions, &info, &size) != 0) return;
    slot_ = info.max_entries - 1;
    action_.verdict = verdict;
    action_.in_port = no_port.value();  // which is never off
    action_.key = *words;
    action_.encapsulation = encapsulation;
    is_there_ = bpf_map_update_elem(actions_, &slot_, &action_, BPF_ANY) == 0 &&
                bpf_map_update_elem(flows_, &action_.key, &slot_, BPF_ANY) == 0;
}

ProbeFlow::~ProbeFlow() {
    if (!is_there_) return;
    bpf_map_delete_elem(flows_, &action_.key);
    const fast_action none{};
    bpf_map_update_elem(actions_, &slot_, &none, BPF_ANY);
}

}  // namespace weft

#endif
