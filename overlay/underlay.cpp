#include "overlay/underlay.h"

#include <array>
#include <bit>

#include <netinet/udp.h>

#include "overlay/train_reader.h"
#include "overlay/train_writer.h"
#include "overlay/underlay_socket.h"

namespace weft {

namespace {

// Index of the socket that a train is sent from: 0 is ESP's, the others are VXLAN's.
std::size_t sender_of(const DatagramTrain& train) noexcept {
    return train.to.channel == Channel::esp ? 0 : 1 + train.to.flow_hash % Outbox::vxlan_sources;
}

bool set_udp_option(const UnderlaySocket& socket, int option, int value) noexcept {
    return ::setsockopt(socket.fd.get(), SOL_UDP, option, &value, sizeof(value)) == 0;
}

}  // namespace

struct Underlay::Sockets {
    UnderlaySocket esp;
    UnderlaySocket vxlan;
    std::array<UnderlaySocket, Outbox::vxlan_sources> vxlan_senders;
    TrainReader reader;
    TrainWriter writer;

    [[nodiscard]] UnderlaySocket& receiver(Channel channel) noexcept {
        return channel == Channel::esp ? esp : vxlan;
    }

    [[nodiscard]] const UnderlaySocket& sender(std::size_t index) const noexcept {
        return index == 0 ? esp : vxlan_senders[index - 1];
    }
};

Underlay::Underlay(const UnderlayOptions& options) : sockets_(std::make_unique<Sockets>()) {
    sockets_->esp = open_underlay_socket(options.esp, options.device, "esp");
    if (options.vxlan) {
        sockets_->vxlan = open_underlay_socket(*options.vxlan, options.device, "vxlan");
        for (auto& sender : sockets_->vxlan_senders)
            sender = open_sending_socket(options.vxlan->address, options.device);
    }
    use_offload({});
}

Underlay::~Underlay() = default;

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
    if (sockets_->vxlan.fd) gro = set_udp_option(sockets_->vxlan, UDP_GRO, wanted.gro ? 1 : 0) && gro;
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
