#ifdef WEFT_BPF

#include "vswitch/uplink_probe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <vector>

#include <linux/pkt_cls.h>
#include <poll.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "vswitch/device/tuntap.h"
#include "vswitch/headers.h"
#include "vswitch/netlink.h"
#include "vswitch/probe_flow.h"

namespace weft {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t nobody = 0xFFFFFFFF;  // as a peer's number
constexpr Vni vni{0xFFFFFF};
constexpr std::uint16_t source_port = 0xDEAD;
constexpr std::array<std::uint8_t, 4> here{192, 0, 2, 254};
constexpr std::array<std::uint8_t, 4> there{192, 0, 2, 255};
constexpr int attempts = 5;
constexpr int patience_ms = 20;
constexpr std::size_t probe_packets = 16;

struct Outer {
    EthernetHeader ethernet;
    Ipv4Header ip;
    UdpHeader udp;
    be32 flags;
    be32 vni;
};

static_assert(sizeof(Outer) == 50);

// With a wrong checksum, too.
Bytes wrapped(const Bytes& frame, const MacAddress& uplink, std::uint16_t port) {
    const auto udp_size = static_cast<std::uint16_t>(sizeof(UdpHeader) + 2 * sizeof(be32) + frame.size());
    const Outer outer{
        .ethernet = {.destination = uplink, .source = {}, .type = ether_type::ipv4},
        .ip = {.version_ihl = 0x45,
               .total_length = static_cast<std::uint16_t>(sizeof(Ipv4Header) + udp_size),
               .identification = {},
               .flags_fragment = {},
               .ttl = 1,
               .protocol = ip_protocol::udp,
               .checksum = 0xDEAD,  // 0x3390 would be right
               .source = there,
               .destination = here},
        .udp = {.source_port = source_port, .destination_port = port, .length = udp_size, .checksum = 0},
        .flags = 0x08000000U,
        .vni = vni.value() << 8U};
    Bytes packet(sizeof outer + frame.size());
    std::memcpy(packet.data(), &outer, sizeof outer);
    std::ranges::copy(frame, packet.begin() + sizeof outer);
    return packet;
}

class UplinkProbe {
  public:
    UplinkProbe(FastPathKernel& kernel, unsigned uplink, const MacAddress& mac)
        : kernel_(kernel),
          uplink_(uplink),
          mac_(mac),
          name_("weftp" + std::to_string(::getpid())),
          tap_(open_tuntap({.layer = TunTapOptions::Layer::tap,
                            .name = name_,
                            .netns = std::nullopt,
                            .mac = std::nullopt,
                            .addresses = {},
                            .silent = true})),
          // NOLINTNEXTLINE(bugprone-unchecked-optional-access): made a line above; else it throws
          tap_index_(static_cast<unsigned>(Netlink().link(name_).value().index)) {}

    // Empty: it does.
    std::string comes_in() {
        const auto hook = Hook::make(kernel_.hooks.patch_ingress, tap_index_, true, kernel_.options.hooks);
        if (!hook) return hook.error();
        const ProbeFlow flow(kernel_.hooks.flows, kernel_.hooks.actions, probe_key(true), nobody,
                             fast_verdict(fast_to_port, fast_redirect_egress, 0xFFFF, tap_index_));
        const fast_patch to_uplink{.ifindex = uplink_, .redirect = fast_redirect_ingress};
        const fast_tunnel peer{to_kernel(IpAddress::v4(there)), to_kernel(IpAddress::v4(here)),
                               to_kernel(vni)};
        const bool is_ready =
            flow.is_there() &&
            bpf_map_update_elem(kernel_.hooks.patches, &tap_index_, &to_uplink, BPF_ANY) == 0 &&
            bpf_map_update_elem(kernel_.tunnels, &peer, &nobody, BPF_ANY) == 0;
        const bool arrives = is_ready && crosses(wrapped(frame_, mac_, kernel_.options.vxlan_port));
        bpf_map_delete_elem(kernel_.hooks.patches, &tap_index_);
        bpf_map_delete_elem(kernel_.tunnels, &peer);
        return arrives ? "" : "a packet in VXLAN that the kernel should take out of it does not arrive";
    }

    std::string goes_out() {
        kernel_.next_hops[0] = {to_kernel(IpAddress::v4(here)),
                                to_kernel(IpAddress::v4(there)),
                                std::bit_cast<std::uint16_t>(be16{kernel_.options.vxlan_port}),
                                {}};
        const ProbeFlow flow(kernel_.hooks.flows, kernel_.hooks.actions, probe_key(true), tap_index_,
                             fast_verdict(fast_encapsulate, fast_redirect_egress, 0xFFFF, uplink_),
                             {to_kernel(vni), std::bit_cast<std::uint16_t>(be16{source_port}), 0});
        __sk_buff context{};
        context.ifindex = tap_index_;
        Bytes out(frame_.size() + sizeof(Outer));
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame_.data(), .data_out = out.data(),
                    .data_size_in = static_cast<std::uint32_t>(frame_.size()),
                    .data_size_out = static_cast<std::uint32_t>(out.size()), .ctx_in = &context,
                    .ctx_size_in = sizeof context);
        if (bpf_prog_test_run_opts(kernel_.hooks.tap_egress, &options) != 0)
            return "the program cannot be tried: " + message(errno);
        const bool is_right =
            options.retval == TC_ACT_REDIRECT && options.data_size_out == out.size() && is_in_vxlan(out);
        return is_right ? "" : "a packet that the kernel should put into VXLAN has not become one";
    }

  private:
    bool crosses(const Bytes& packet) {
        std::vector<Packet> packets;
        for (int attempt = 0; attempt < attempts; ++attempt) {
            packets.push_back(pool_.take(packet));
            tap_->write(packets, drops_);
            pollfd waiting{.fd = tap_->descriptor(), .events = POLLIN, .revents = 0};
            while (::poll(&waiting, 1, patience_ms) > 0) {
                packets.clear();
                tap_->read(pool_, probe_packets, packets, drops_);
                const bool arrived = std::ranges::any_of(
                    packets, [&](const Packet& read) { return std::ranges::equal(read.bytes(), frame_); });
                if (arrived) return true;
            }
            packets.clear();
        }
        return false;
    }

    [[nodiscard]] bool is_in_vxlan(const Bytes& packet) const {
        Outer outer;
        std::memcpy(&outer, packet.data(), sizeof outer);
        return outer.ip.source == here && outer.ip.destination == there &&
               outer.vni.value() == vni.value() << 8U &&
               outer.udp.destination_port.value() == kernel_.options.vxlan_port &&
               std::ranges::equal(std::span{packet}.subspan(sizeof outer), frame_);
    }

    FastPathKernel& kernel_;
    unsigned uplink_;
    MacAddress mac_;
    std::string name_;
    std::unique_ptr<Device> tap_;
    unsigned tap_index_;
    Bytes frame_ = probe_frame();
    PacketPool pool_{2 * probe_packets};
    DropCounters drops_;
};

}  // namespace

std::expected<void, std::string> try_uplink(FastPathKernel& kernel, unsigned uplink) {
    try {
        const auto layer = link_layer_of(uplink);
        if (!layer) return std::unexpected(layer.error());
        if (*layer != LinkLayer::ethernet) return std::unexpected("it has no Ethernet");
        const auto link = Netlink().link(device_name(uplink));
        if (!link || !link->up) return {};
        UplinkProbe probe(kernel, uplink, link->mac);
        std::string why_not = probe.comes_in();
        if (why_not.empty()) why_not = probe.goes_out();
        if (!why_not.empty()) return std::unexpected(why_not);
        return {};
    } catch (const std::runtime_error& error) {
        return std::unexpected(error.what());
    }
}

}  // namespace weft

#endif
