// The paths to the peers: what size they carry is measured by probes (path_search.h) and put to use at once,
// for what is sent and for what the router tells senders. The packets' way is in datapath.cpp.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "crypto/esp.h"
#include "overlay/datapath.h"
#include "overlay/mtu.h"
#include "overlay/tunnel.h"

namespace weft {

// At each tick, and when an answer has just come.
void Datapath::probe_path(Peer& peer) noexcept {
    if (peer.sealing(now_) == nullptr || peer.current->manual || !peer.endpoint) return;
    if (peer.liveness.wants_question(now_)) {
        send_message(peer, {ProbeMessage::Kind::question, 0}, 0);
        peer.liveness.asked(now_);
    }
    if (!peer.probes_path) return;
    const bool is_v6 = peer.endpoint->address.is_v6();
    if (!peer.path.started()) peer.path.start(peer.current->outbound.spi(), is_v6);
    const std::uint16_t settled = peer.path.settled();
    const auto probe = peer.path.next(now_);
    path_changed(peer, settled);
    if (probe)
        send_message(peer, {ProbeMessage::Kind::question, probe->id}, PathMtu{probe->size, is_v6}.room());
}

// `room`: bytes of UDP payload that the message is to fill; 0: no more than it needs.
void Datapath::send_message(Peer& peer, const ProbeMessage& message, std::size_t room) noexcept {
    Packet packet = pool_.take();
    if (!packet) return count(peer.port, Drop::no_buffer);
    std::size_t size = ProbeMessage::size;
    if (room > Esp::sealed_size(size)) {
        size = room - Esp::header_size - aead_tag_size - 2;
        while (Esp::sealed_size(size) > room) --size;
    }
    packet.resize(size);
    message.write(packet.bytes().first<ProbeMessage::size>());
    std::ranges::fill(packet.bytes().subspan(ProbeMessage::size), std::uint8_t{0});
    seal_to_peer(peer.port, peer, topology_.port(peer.port), dummy_payload(std::move(packet)));
}

// What was inside a dummy packet. An answer is smaller than the question, or as large.
void Datapath::from_message(Peer& peer, std::span<const std::uint8_t> payload) noexcept {
    const auto message = ProbeMessage::parse(payload);
    if (!message) return;
    if (message->kind == ProbeMessage::Kind::question) {
        if (peer.sealing(now_) != nullptr) send_message(peer, {ProbeMessage::Kind::answer, message->id}, 0);
        return;
    }
    if (message->id == 0) return;
    const ProbeAnswered answered{peer.id, message->id};
    if (peer.path.started() && peer.path.owns(answered.id)) return tell(answered, now_);
    if (announces_) emit(answered);
}

void Datapath::tell(const ProbeAnswered& answered, Instant now) noexcept {
    now_ = now;
    Peer* peer = topology_.peers().find(answered.peer);
    if (peer == nullptr) return;
    const std::uint16_t settled = peer->path.settled();
    if (!peer->path.answered(answered.id, now)) return;
    path_changed(*peer, settled);
    if (peer->path.searching()) probe_path(*peer);
}

void Datapath::path_refused(PortId tunnel) noexcept {
    const Port& port = topology_.port(tunnel);
    Peer* peer = port.kind == Port::Kind::tunnel ? topology_.peers().find(port.peer) : nullptr;
    if (peer == nullptr) return;
    peer->path.refused();
    fit_to_path(*peer);
}

void Datapath::path_changed(Peer& peer, std::uint16_t settled_before) noexcept {
    fit_to_path(peer);
    if (peer.path.settled() != settled_before) emit(PathMtuChanged{peer.id, peer.path.settled()});
}

// What is sent follows the path at once; what senders are told, when the search has ended.
void Datapath::fit_to_path(Peer& peer) noexcept {
    if (peer.path.most() == UINT16_MAX || !peer.endpoint) return;
    const bool is_v6 = peer.endpoint->address.is_v6();
    peer.room = PathMtu{peer.path.limit(), is_v6}.room();
    topology_.set_mtu(peer.port, PathMtu{peer.path.settled(), is_v6}.routed());
}

void Datapath::expire_fragments() noexcept {
    reassembler_.expire(now_, [&](PeerId id) {
        const Peer* peer = topology_.peers().find(id);
        if (peer != nullptr) count(peer->port, Drop::reassembly_timeout);
    });
}

}  // namespace weft
