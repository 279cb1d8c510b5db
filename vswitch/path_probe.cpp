#ifdef WEFT_BPF

#include "vswitch/path_probe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <stdexcept>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "vswitch/bpf_support.h"
#include "vswitch/netns.h"
#include "vswitch/probe_flow.h"
#include "vswitch/system.h"
#include "vswitch/wire.h"

namespace weft {

namespace {

constexpr int attempts = 5;
constexpr int patience_ms = 20;

// Sends by a device, and hears what it receives.
class PacketTap {
  public:
    PacketTap(const std::string& device, const std::optional<std::string>& netns) {
        in_namespace(netns, [&] {
            const auto ip = std::bit_cast<std::uint16_t>(be16{ETH_P_IP});
            socket_ = Descriptor(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ip));
            sockaddr_ll address{};
            address.sll_family = AF_PACKET;
            address.sll_protocol = ip;
            address.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
            if (!socket_ ||
                ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
                throw_system_error("cannot listen at " + device, errno);
        });
    }

    [[nodiscard]] bool send(std::span<const std::uint8_t> packet) const noexcept {
        return ::send(socket_.get(), packet.data(), packet.size(), 0) == static_cast<ssize_t>(packet.size());
    }

    [[nodiscard]] bool hears(std::span<const std::uint8_t> packet) const noexcept {
        std::array<std::uint8_t, 2048> heard{};
        pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        while (::poll(&waiting, 1, patience_ms) > 0) {
            const ssize_t size = ::recv(socket_.get(), heard.data(), heard.size(), 0);
            if (size > 0 &&
                std::ranges::equal(std::span{heard}.first(static_cast<std::size_t>(size)), packet))
                return true;
        }
        return false;
    }

  private:
    Descriptor socket_;
};

}  // namespace

std::string try_port(const HookPrograms& programs, const PortHooks& port, const std::string& device,
                     const std::optional<std::string>& netns) {
    try {
        const PacketTap tap(device, netns);
        const bool is_frame = port.link_layer == LinkLayer::ethernet;
        const auto back = !port.is_veth          ? fast_redirect_ingress
                          : port.leads_elsewhere ? fast_redirect_peer
                                                 : fast_redirect_egress;
        const ProbeFlow flow(programs.flows, programs.actions, probe_key(is_frame), port.device,
                             fast_verdict(fast_to_port, back, 0xFFFF, port.device));
        if (!flow.is_there()) return "a flow cannot be inserted: " + message(errno);
        const auto frame = probe_frame();
        const auto packet = is_frame ? std::span<const std::uint8_t>{frame} : probe_datagram(frame);
        for (int attempt = 0; attempt < attempts; ++attempt)
            if (tap.send(packet) && tap.hears(packet)) return {};
        return "a packet of a flow that the kernel should carry does not arrive";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

}  // namespace weft

#endif
