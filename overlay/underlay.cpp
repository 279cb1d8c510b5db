#include "overlay/underlay.h"

#include <array>
#include <bit>
#include <stdexcept>

#include <netinet/udp.h>

#include "overlay/train_reader.h"
#include "overlay/train_writer.h"

namespace weft {

namespace {

// Index of the socket that a train is sent from: 0 is ESP's, the others are VXLAN's.
std::size_t sender_of(const DatagramTrain& train) noexcept {
    return train.to.channel == Channel::vxlan ? 1 + train.to.flow_hash % Outbox::vxlan_sources : 0;
}

bool set_udp_option(const UnderlaySocket& socket, int option, int value) noexcept {
    return ::setsockopt(socket.fd.get(), SOL_UDP, option, &value, sizeof(value)) == 0;
}

}  // namespace

struct Underlay::Sockets {
    UnderlaySocket esp;
    UnderlaySocket control;
    UnderlaySocket vxlan;
    std::array<UnderlaySocket, Outbox::vxlan_sources> vxlan_senders;
    TrainReader reader;
    TrainWriter writer;

    [[nodiscard]] UnderlaySocket& receiver(Channel channel) noexcept {
        switch (channel) {
            case Channel::control:
                return control;
            case Channel::vxlan:
                return vxlan;
            default:
                return esp;
        }
    }

    [[nodiscard]] const UnderlaySocket& sender(std::size_t index) const noexcept {
        return index == 0 ? esp : vxlan_senders[index - 1];
    }
};

Underlay::Underlay(const UnderlayOptions& options, const Underlay* first)
    : sockets_(std::make_unique<Sockets>()) {
    open_esp(options, first);
    if (options.vxlan) open_vxlan(*options.vxlan, options, first);
    use_offload({});
}

// The workers' sockets in their order, then that for control.
void Underlay::open_esp(const UnderlayOptions& options, const Underlay* first) {
    Endpoint esp = options.esp;
    if (first != nullptr) esp.port = first->sockets_->esp.port;
    const unsigned all = options.workers + 1;
    sockets_->esp = open_underlay_socket(esp, options.device, "esp", Fragmentation::never,
                                         {.sockets = all, .place = options.worker});
    if (options.worker + 1 < options.workers) return;
    esp.port = sockets_->esp.port;
    sockets_->control = open_underlay_socket(esp, options.device, "control", Fragmentation::never,
                                             {.sockets = all, .place = options.workers}, control_buffer);
    steer_by_spi(sockets_->esp, options.workers);
}

void Underlay::open_vxlan(Endpoint vxlan, const UnderlayOptions& options, const Underlay* first) {
    const PortSharing sharing{.sockets = options.workers, .place = options.worker};
    if (first != nullptr) vxlan.port = first->sockets_->vxlan.port;
    sockets_->vxlan = open_underlay_socket(vxlan, options.device, "vxlan", Fragmentation::allowed, sharing);
    // A flow has the same source port from any worker, so that its peer's kernel always gives it to the same
    // socket.
    for (std::size_t i = 0; i < Outbox::vxlan_sources; ++i) {
        sockets_->vxlan_senders[i] = first == nullptr
                                         ? open_sending_socket(vxlan.address, options.device, sharing)
                                         : open_sending_socket(vxlan.address, options.device, sharing,
                                                               first->sockets_->vxlan_senders[i].port);
    }
}

Underlay::Underlay(const UnderlayOptions& options, std::vector<std::pair<UnderlayPart, Descriptor>>& parts)
    : sockets_(std::make_unique<Sockets>()) {
    const auto take = [&parts](UnderlayPart::Role role, std::size_t place, Endpoint local) {
        for (auto& [part, fd] : parts) {
            if (part.role != role || part.place != place || !fd) continue;
            UnderlaySocket socket = adopt_underlay_socket(std::move(fd), local);
            socket.overflows = part.overflows;
            return socket;
        }
        throw std::runtime_error("of the UDP sockets for " + local.to_string() + " one was not handed over");
    };
    using Role = UnderlayPart::Role;
    sockets_->esp = take(Role::esp, 0, options.esp);
    if (options.worker + 1 == options.workers) sockets_->control = take(Role::control, 0, options.esp);
    if (options.vxlan) {
        sockets_->vxlan = take(Role::vxlan, 0, *options.vxlan);
        for (std::size_t i = 0; i < Outbox::vxlan_sources; ++i)
            sockets_->vxlan_senders[i] = take(Role::vxlan_sender, i, {options.vxlan->address, 0});
    }
    use_offload({});
}

Underlay::~Underlay() = default;

std::vector<UnderlayPart> Underlay::parts() const {
    using Role = UnderlayPart::Role;
    std::vector<UnderlayPart> open;
    const auto add = [&open](Role role, std::size_t place, const UnderlaySocket& socket) {
        if (socket.fd)
            open.push_back({role, static_cast<std::uint8_t>(place), socket.overflows, socket.fd.get()});
    };
    add(Role::esp, 0, sockets_->esp);
    add(Role::control, 0, sockets_->control);
    add(Role::vxlan, 0, sockets_->vxlan);
    for (std::size_t i = 0; i < Outbox::vxlan_sources; ++i)
        add(Role::vxlan_sender, i, sockets_->vxlan_senders[i]);
    return open;
}

int Underlay::descriptor(Channel channel) const noexcept {
    return sockets_->receiver(channel).fd.get();
}

std::uint16_t Underlay::local_port(Channel channel) const noexcept {
    return sockets_->receiver(channel).port;
}

// A segment size of 0 changes nothing: a kernel that takes it knows UDP_SEGMENT.
UnderlayOffload Underlay::use_offload(const UnderlayOffload& wanted) noexcept {
    sockets_->writer.use_gso(wanted.gso && set_udp_option(sockets_->esp, UDP_SEGMENT, 0));
    bool gro = set_udp_option(sockets_->esp, UDP_GRO, wanted.gro ? 1 : 0) && wanted.gro;
    if (sockets_->vxlan.fd) gro = set_udp_option(sockets_->vxlan, UDP_GRO, wanted.vxlan_gro ? 1 : 0) && gro;
    return {.gso = sockets_->writer.uses_gso(), .gro = gro};
}

bool Underlay::read(Channel channel, std::vector<ReceivedTrain>& out, DropCounters& drops) noexcept {
    return sockets_->reader.read(sockets_->receiver(channel), channel, out, drops);
}

void Underlay::write(const std::vector<DatagramTrain>& trains,
                     std::vector<RefusedDatagrams>& refused) noexcept {
    std::uint32_t senders = 0;  // a bit each
    for (const auto& train : trains) senders |= 1U << sender_of(train);
    for (; senders != 0; senders &= senders - 1) {
        const auto index = static_cast<std::size_t>(std::countr_zero(senders));
        const UnderlaySocket& socket = sockets_->sender(index);
        for (const auto& train : trains)
            if (sender_of(train) == index) sockets_->writer.add(socket, train, refused);
        sockets_->writer.flush(socket, refused);
    }
}

}  // namespace weft
