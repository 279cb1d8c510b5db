// Sessions that outlive the process (carried_session.h): what the old one tells of them, and how the new one
// goes on.
#include <algorithm>
#include <memory>
#include <utility>

#include "overlay/datapath.h"

namespace weft {

namespace {

CarriedSession carry(const PeerSession& from, CarriedSession::Role role) {
    CarriedSession carried{.role = role, .ends = from.ends, .draining = from.draining};
    carried.session.id = from.id;
    carried.session.initiator = from.initiator;
    carried.session.established = from.established;
    carried.session.outbound = from.outbound.keys().clone();
    carried.next_sequence = from.outbound.next_sequence();
    carried.sealed_bytes = from.outbound.sealed_bytes();
    for (const InboundSa& sa : from.inbound) {
        carried.session.inbound.push_back(sa.keys().clone());
        carried.windows.push_back({sa.window().highest(), sa.window().recent()});
    }
    return carried;
}

// Where the old process has wiped the outbound key there is none.
OutboundSa outbound_of(const CarriedSession& carried) {
    OutboundSa sa{carried.session.outbound};
    if (carried.role == CarriedSession::Role::previous) {
        sa.wipe();
    } else {
        sa.skip_to(std::min(carried.next_sequence, OutboundSa::max_packets) + sequence_jump,
                   carried.sealed_bytes);
    }
    return sa;
}

}  // namespace

std::vector<CarriedSession> Datapath::sessions(PeerId id) {
    std::vector<CarriedSession> carried;
    const Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return carried;
    const auto add = [&](const std::unique_ptr<PeerSession>& session, CarriedSession::Role role) {
        if (session && !session->manual) carried.push_back(carry(*session, role));
    };
    if (peer->current) add(peer->previous, CarriedSession::Role::previous);
    add(peer->current, CarriedSession::Role::current);
    add(peer->next, CarriedSession::Role::next);
    return carried;
}

void Datapath::resume(PeerId id, const CarriedSession& carried, Instant now) {
    now_ = now;
    Peer* peer = topology_.peers().find(id);
    if (peer == nullptr) return;
    auto keys = std::make_unique<PeerSession>(PeerSession{.id = carried.session.id,
                                                          .cipher = carried.session.outbound.cipher,
                                                          .outbound = outbound_of(carried),
                                                          .inbound = {},
                                                          .established = carried.session.established,
                                                          .ends = carried.ends,
                                                          .initiator = carried.session.initiator,
                                                          .draining = carried.draining});
    for (std::size_t i = 0; i < carried.session.inbound.size(); ++i) {
        const CarriedSession::Window& window = carried.windows[i];
        keys->inbound.emplace_back(carried.session.inbound[i],
                                   ReplayWindow(peer->replay_window, window.highest, window.recent));
    }
    topology_.peers().install(*peer, std::move(keys), carried.role != CarriedSession::Role::next);
}

}  // namespace weft
