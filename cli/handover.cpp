#include "cli/handover.h"

#include <algorithm>
#include <charconv>
#include <ranges>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "cli/handover_carrier.h"
#include "overlay/peer.h"
#include "vswitch/device/packet_socket.h"

namespace weft {

namespace {

constexpr std::string_view state_name = "weft-state";
constexpr std::string_view number_prefix = "weft-";

std::optional<std::uint32_t> number_of(std::string_view name) {
    if (!name.starts_with(number_prefix)) return std::nullopt;
    name.remove_prefix(number_prefix.size());
    std::uint32_t number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) return std::nullopt;
    return number;
}

// Whoever has the one cannot have the other.
bool collide(const PortOrder& a, const PortOrder& b) {
    return (a.interface.name == b.interface.name && a.interface.netns == b.interface.netns) ||
           (!a.host_end.empty() && a.host_end == b.host_end);
}

bool is_same(const PortOrder& a, const PortOrder& b) {
    return a.type == b.type && a.interface.name == b.interface.name &&
           a.interface.netns == b.interface.netns && a.interface.mac == b.interface.mac &&
           a.interface.addresses == b.interface.addresses &&
           a.interface.txqueuelen == b.interface.txqueuelen && a.queues == b.queues &&
           a.host_end == b.host_end && a.tap == b.tap;
}

bool is_queue(const HandoverState::Port& port, const Descriptor& queue) {
    const std::string& device = port.is_veth ? port.order.tap : port.order.interface.name;
    return port.is_packet ? is_packet_socket_of(queue, device) : is_queue_of(queue, device);
}

bool is_alive(const CarriedSession& carried, Instant now) {
    return carried.session.established <= now && now < carried.ends &&
           carried.ends <= carried.session.established + PeerSession::lifetime;
}

}  // namespace

// ---- Leaving --------------------------------------------------------------------------------------

std::uint32_t Legacy::add(int descriptor) {
    const auto number = static_cast<std::uint32_t>(descriptors_.size());
    descriptors_.emplace_back(fmt::format("{}{}", number_prefix, number), descriptor);
    return number;
}

const Legacy::Named& Legacy::seal() {
    auto carrier = HandoverCarrier::fill(pack(state_).bytes());
    if (!carrier) {
        spdlog::warn("no room for the sessions with {} peers: they will be agreed on anew",
                     state_.peers.size());
        state_.peers.clear();
        state_.stations.clear();
        carrier = HandoverCarrier::fill(pack(state_).bytes());
    }
    if (!carrier) throw std::runtime_error("there is no descriptor that holds the node's state");
    carrier_ = std::move(*carrier);
    descriptors_.emplace_back(state_name, carrier_.get());
    return descriptors_;
}

// ---- Taking ---------------------------------------------------------------------------------------

Inheritance Inheritance::take(Named named, const config::Config& config) {
    Inheritance inherited;
    if (named.empty()) return inherited;
    const auto carrier = std::ranges::find(named, state_name, &Named::value_type::first);
    auto state = carrier == named.end() ? std::nullopt : HandoverCarrier::take(carrier->second);
    if (!state) {
        spdlog::warn("{} descriptors were handed over without a state, or with one that was used: closed",
                     named.size());
        return inherited;
    }
    try {
        inherited.state_ = unpack(state->bytes());
    } catch (const std::runtime_error& error) {
        spdlog::warn("{}: everything is made anew", error.what());
        return inherited;
    }
    if (inherited.state_.node != config.node.name) {
        spdlog::warn("what node {} has left is not for {}: everything is made anew", inherited.state_.node,
                     config.node.name);
        return {};
    }
    const auto own_key = config.node.private_key ? std::optional{config.node.public_key} : std::nullopt;
    if (inherited.state_.public_key != own_key) inherited.state_.peers.clear();
    for (HandoverState::Peer& peer : inherited.state_.peers)
        inherited.peers_.emplace(std::string{peer.name}, std::move(peer));
    inherited.state_.peers.clear();
    inherited.descriptors_.resize(named.size());
    for (auto& [name, descriptor] : named) {
        const auto number = number_of(name);
        if (number && *number < named.size()) inherited.descriptors_[*number] = std::move(descriptor);
    }
    return inherited;
}

Descriptor Inheritance::descriptor(std::uint32_t number) {
    return number < descriptors_.size() ? std::move(descriptors_[number]) : Descriptor{};
}

std::vector<Descriptor> Inheritance::descriptors(const std::vector<std::uint32_t>& numbers) {
    std::vector<Descriptor> taken;
    taken.reserve(numbers.size());
    for (const std::uint32_t number : numbers) taken.push_back(descriptor(number));
    return taken;
}

std::optional<Inheritance::Port> Inheritance::port(const PortOrder& order) {
    std::optional<Port> found;
    std::erase_if(state_.ports, [&](HandoverState::Port& left) {
        if (!collide(left.order, order)) return false;
        Port port{.state = std::move(left), .queues = {}, .hooks = {}};
        port.queues = descriptors(port.state.queues);
        port.hooks = descriptors(port.state.hooks);
        const bool fits = is_same(port.state.order, order) && port.queues.size() == order.queues &&
                          std::ranges::all_of(port.queues, [&](const Descriptor& queue) {
                              return is_queue(port.state, queue);
                          });
        if (fits) {
            found.emplace(std::move(port));
        } else {
            spdlog::info("port {}: not as the last weftd left it: made anew", port.state.name);
        }
        return true;
    });
    return found;
}

std::optional<Workers::UnderlayParts> Inheritance::underlay(const UnderlayOptions& options,
                                                            unsigned workers) {
    const auto sockets = std::exchange(state_.sockets, {});
    Workers::UnderlayParts parts(workers);
    for (const HandoverState::Socket& socket : sockets) {
        Descriptor open = descriptor(socket.descriptor);
        if (socket.worker < workers) parts[socket.worker].emplace_back(socket.part, std::move(open));
    }
    const bool fits = !sockets.empty() && state_.workers == workers && state_.device == options.device &&
                      state_.esp == options.esp && state_.vxlan == options.vxlan;
    if (!fits && !sockets.empty()) spdlog::info("[underlay] is another one now: its sockets are made anew");
    return fits ? std::optional{std::move(parts)} : std::nullopt;
}

std::optional<HandoverState::Peer> Inheritance::peer(const config::Peer& peer, unsigned workers,
                                                     Instant now) {
    auto found = peers_.extract(peer.name);
    if (found.empty()) return std::nullopt;
    HandoverState::Peer left = std::move(found.mapped());
    const PresharedKey none;
    const PresharedKey& preshared = peer.preshared_key ? *peer.preshared_key : none;
    const bool fits = left.public_key == peer.public_key && left.workers.size() == workers &&
                      equal_in_constant_time(left.preshared_key.bytes(), preshared.bytes());
    for (auto& sessions : left.workers)
        std::erase_if(sessions, [now](const CarriedSession& carried) { return !is_alive(carried, now); });
    const bool lives = std::ranges::all_of(left.workers, [](const auto& sessions) {
        return std::ranges::find(sessions, CarriedSession::Role::current, &CarriedSession::role) !=
               sessions.end();
    });
    if (fits && lives) return left;
    spdlog::info("peer {}: {}: a new handshake", peer.name,
                 fits ? "its session is over" : "its keys have changed");
    return std::nullopt;
}

void Inheritance::close() {
    std::vector<std::string> left;
    left.reserve(state_.ports.size() + peers_.size());
    for (const HandoverState::Port& port : state_.ports) left.push_back("port " + port.name);
    for (const auto& [name, peer] : peers_) left.push_back("peer " + name);
    if (!left.empty())
        spdlog::info("not in the configuration any more, and closed: {}", fmt::join(left, ", "));
    *this = Inheritance{};
}

}  // namespace weft
