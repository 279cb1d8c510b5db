// Sessions from one weftd to the next (handover.h): the control side's part.
#include <utility>
#include <vector>

#include "cli/keying.h"

namespace weft {

namespace {

// A session that this side may begin to use, once all workers have it, is used: they have.
void resume_all(Worker& worker, PeerId id, const Endpoint& endpoint,
                const std::vector<CarriedSession>& sessions) {
    worker.datapath().set_endpoint(id, endpoint);
    for (const CarriedSession& carried : sessions) {
        worker.datapath().resume(id, carried, worker.now());
        if (carried.role == CarriedSession::Role::next && carried.session.initiator)
            worker.datapath().use(id, carried.session.id, worker.now());
    }
}

}  // namespace

std::optional<HandoverState::Peer> Keying::leave(PeerId id) {
    const auto known = status(id);
    if (!known) return std::nullopt;
    HandoverState::Peer left{.handshakes = known->completed};
    for (unsigned i = 0; i < workers_.count(); ++i) {
        Datapath& datapath = workers_.stopped(i).datapath();
        const Peer* peer = datapath.topology().peers().find(id);
        if (peer == nullptr || !peer->endpoint || !peer->current) return std::nullopt;
        if (i == 0) left.endpoint = *peer->endpoint;
        left.workers.push_back(datapath.sessions(id));
    }
    return left;
}

void Keying::resume(PeerId id, Known& known, HandoverState::Peer left) {
    const auto sessions_left = resumed(left.workers, left.handshakes);
    if (!sessions_left) return;
    handshaker_->resume(id, *sessions_left);
    handshaker_->set_endpoint(id, left.endpoint);
    watch_.resumed(id, left.workers.front().front().session.outbound.cipher, left.endpoint, left.handshakes);
    known.ipv6 = left.endpoint.address.is_v6();
    for (unsigned i = 0; i < workers_.count(); ++i) {
        workers_.post(i, [id, endpoint = left.endpoint, sessions = std::move(left.workers[i])](
                             Worker& worker) { resume_all(worker, id, endpoint, sessions); });
    }
}

}  // namespace weft
