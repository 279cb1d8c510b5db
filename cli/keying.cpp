#include "cli/keying.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "crypto/secret_memory.h"
#include "overlay/handshake_message.h"

namespace weft {

namespace {

// Manual security associations are for a node with one worker. Where there are more, the first one's socket
// gets the control datagrams, and sends them.
constexpr unsigned only_worker = 0;
constexpr unsigned control_worker = 0;

constexpr Duration save_interval = std::chrono::seconds{1};

// How long a peer with keys set by hand is where it was heard.
constexpr Duration heard_for = std::chrono::minutes{1};

Handshaker::WallTime wall() {
    return std::chrono::system_clock::now();
}

}  // namespace

Keying::Keying(Loop& loop, Workers& workers, const config::Config& config, Monitor& monitor,
               Located plain_located)
    : loop_(loop),
      workers_(workers),
      watch_([&monitor](const NodeEvent& what) { monitor.publish(what); }),
      monitor_(monitor),
      plain_located_(std::move(plain_located)),
      locator_(config.underlay.esp.address, random_),
      resolver_(loop),
      timer_(loop,
             [this] {
                 watch_.tick(loop_.now());
                 resolve();
                 if (handshaker_) handshaker_->tick(loop_.now(), wall());
                 carry_out();
             }),
      save_timer_(loop,
                  [this] {
                      for (auto& [id, known] : peers_) save_received(known);
                  }),
      cookie_timer_(loop, [this] { renew_cookies(); }) {
    const config::Node& node = config.node;
    if (node.private_key) {
        timestamps_.emplace(node.state_dir, node.name);
        handshaker_ = std::make_unique<Handshaker>(
            *node.private_key, random_,
            HandshakerOptions{.workers = workers.count(),
                              .newest_timestamp = timestamps_->own(node.public_key, wall())});
        workers_.post_all([own = node.public_key](Worker& worker) { worker.datapath().admit_control(own); });
        renew_cookies();
        cookie_timer_.start(cookie_secret_lifetime, cookie_secret_lifetime);
    }
    if (!node.keylog) return;
    keylog_.emplace(*node.keylog);
    spdlog::warn("keylog is on: whoever reads {} can read all traffic of this node", *node.keylog);
}

// Each worker has a secret of its own.
void Keying::renew_cookies() {
    for (unsigned i = 0; i < workers_.count(); ++i) {
        CookieSecret secret;
        random_.fill(secret.writable());
        workers_.post(i, [secret = std::move(secret)](Worker& worker) mutable {
            worker.datapath().renew_cookies(std::move(secret));
        });
    }
}

void Keying::add(PeerId id, const config::Peer& peer, std::optional<HandoverState::Peer> left) {
    Known& known = peers_[id];
    known.name = peer.name;
    known.encrypted = peer.encryption == config::Peer::Encryption::esp;
    watch_.add(id, peer.name);
    if (peer.manual) {
        add_manual(id, known, *peer.manual);
    } else if (known.encrypted) {
        handshaker_->add_peer(
            id, {.public_key = peer.public_key,
                 .preshared_key = peer.preshared_key ? peer.preshared_key->clone() : PresharedKey{},
                 .endpoint = std::nullopt,
                 .newest_timestamp = timestamps_->newest(peer.public_key)});
        if (left) resume(id, known, std::move(*left));
    }
    if (!peer.endpoint_host) return;
    locator_.add(id, *peer.endpoint_host, peer.endpoint_port, loop_.now());
    located(id);
    resolve();
    arm();
}

void Keying::add_manual(PeerId id, Known& known, const config::ManualSa& manual) {
    known.sequence = std::make_unique<SequenceStore>(manual.counter_file, manual.outbound.spi);
    known.received =
        std::make_unique<ReceivedStore>(manual.counter_file, manual.inbound, known.sequence->is_new());
    save_timer_.start(save_interval, save_interval);
    log_keys(manual.outbound, known.ipv6);
    log_keys(manual.inbound, known.ipv6);
    ManualSession session{.outbound = manual.outbound.clone(),
                          .inbound = manual.inbound.clone(),
                          .first_sequence = known.sequence->first(),
                          .limit = known.sequence->limit(),
                          .highest_received = known.received->highest()};
    workers_.post(only_worker, [id, session = std::move(session)](Worker& worker) {
        worker.datapath().install_manual(id, session, worker.now());
    });
}

void Keying::remove(PeerId id) {
    resolver_.forget(id.value());
    locator_.remove(id);
    if (handshaker_) handshaker_->remove_peer(id);
    watch_.remove(id);
    peers_.erase(id);
}

void Keying::resolve() {
    for (Locator::Question& question : locator_.due(loop_.now())) {
        resolver_.lookup(question.peer.value(), question.host,
                         [this, id = question.peer, host = question.host](const Resolved& answer) {
                             resolved(id, host, answer);
                         });
    }
}

void Keying::resolved(PeerId id, const std::string& host, const Resolved& answer) {
    const std::string& name = peers_.at(id).name;
    if (answer.addresses.empty()) {
        spdlog::warn("peer {}: cannot resolve {} ({}); trying again", name, host, answer.error);
        locator_.failed(id, loop_.now());
    } else if (locator_.answered(id, answer.addresses, loop_.now())) {
        monitor_.publish(event::EndpointResolved{name, host, locator_.addresses(id)});
        located(id);
    }
    arm();
}

// What the configuration says of a peer's place is for the time in which the peer itself says nothing: one
// that is heard is where it is heard. Greeting a peer at once makes the first packet fast, and tells it that
// an old session of ours is dead.
void Keying::located(PeerId id) {
    const auto endpoints = locator_.endpoints(id);
    Known& known = peers_.at(id);
    const bool agreed = known.encrypted && !known.sequence;
    const bool is_heard = agreed ? watch_.up(id) : watch_.heard_since(id, loop_.now() - heard_for);
    if (endpoints.empty() || is_heard) return;
    const Endpoint& best = endpoints.front();
    known.ipv6 = best.address.is_v6();
    workers_.post_all([id, best](Worker& worker) { worker.datapath().set_endpoint(id, best); });
    if (!known.encrypted) plain_located_(id, best);
    if (!agreed) return;
    handshaker_->set_endpoint(id, best);
    handshaker_->initiate(id, loop_.now(), wall());
    carry_out();
}

void Keying::receive(const ControlReceived& control) {
    std::optional<Drop> drop = Drop::bad_control;
    if (handshaker_) drop = handshaker_->receive(control.datagram(), control.from, loop_.now(), wall());
    if (drop) {
        workers_.post(control_worker,
                      [drop = *drop](Worker& worker) { worker.datapath().underlay_drops().add(drop); });
    }
    carry_out();
}

void Keying::report(unsigned worker, const PeerReport& report) {
    const auto found = peers_.find(report.peer);
    if (found == peers_.end()) return;
    PeerActivity activity = report.activity;
    activity.worker = worker;
    watch_.reported(report.peer, activity, loop_.now());
    if (found->second.sequence) {
        found->second.highest_received = activity.highest_received;
        return reserve(report.peer, found->second, activity.packets_sent);
    }
    if (!handshaker_) return;
    if (watch_.silent(report.peer)) locator_.lost(report.peer, loop_.now());
    handshaker_->report(report.peer, activity, loop_.now(), wall());
    carry_out();
}

// A full disk silences this peer when its reserved numbers are used up, and nobody else.
void Keying::reserve(PeerId id, Known& known, std::uint64_t used) {
    try {
        if (!known.sequence->reserve_beyond(used)) return;
    } catch (const std::runtime_error& failure) {
        if (!std::exchange(known.reserve_failed, true)) {
            spdlog::error("peer {}: {}: sending stops at packet {}", known.name, failure.what(),
                          known.sequence->limit());
        }
        return;
    }
    known.reserve_failed = false;
    workers_.post(only_worker, [id, limit = known.sequence->limit()](Worker& worker) {
        worker.datapath().raise_limit(id, limit);
    });
}

// A full disk makes what follows forgotten by a restart; traffic goes on.
void Keying::save_received(Known& known) {
    if (!known.received) return;
    try {
        known.received->save(known.highest_received);
    } catch (const std::runtime_error& failure) {
        if (!std::exchange(known.save_failed, true)) {
            spdlog::error("peer {}: {}: after a restart, packets beyond {} could be replayed", known.name,
                          failure.what(), known.received->highest());
        }
        return;
    }
    known.save_failed = false;
}

void Keying::finish() noexcept {
    for (auto& [id, known] : peers_) {
        if (!known.received) continue;
        const auto highest = workers_.stopped(only_worker).datapath().highest_received(id);
        known.highest_received = highest.value_or(known.highest_received);
        save_received(known);
    }
}

void Keying::moved(const PeerMoved& moved) {
    const auto found = peers_.find(moved.peer);
    if (found == peers_.end()) return;
    watch_.moved(moved.peer, moved.endpoint, loop_.now());
    found->second.ipv6 = moved.endpoint.address.is_v6();
    if (handshaker_ && !found->second.sequence) handshaker_->set_endpoint(moved.peer, moved.endpoint);
    arm();
}

void Keying::path_changed(const PathMtuChanged& changed) {
    watch_.path_measured(changed.peer, changed.mtu, loop_.now());
    arm();
}

std::optional<Handshaker::Status> Keying::status(PeerId id) const {
    const auto found = peers_.find(id);
    if (!handshaker_ || found == peers_.end() || !found->second.encrypted || found->second.sequence)
        return std::nullopt;
    return handshaker_->status(id);
}

bool Keying::has_session(PeerId id) const {
    const auto known = status(id);
    return known && known->last_handshake && loop_.now() - *known->last_handshake < PeerSession::lifetime;
}

bool Keying::rekey(PeerId id) {
    if (!status(id)) return false;
    handshaker_->initiate(id, loop_.now(), wall());
    carry_out();
    return handshaker_->status(id).in_progress;
}

void Keying::carry_out() {
    if (!handshaker_) return arm();
    auto actions = handshaker_->take_actions();
    Handshaker::Send* held = nullptr;
    for (Handshaker::Action& action : actions) {
        if (held != nullptr && !std::holds_alternative<Handshaker::Install>(action)) {
            send(*std::exchange(held, nullptr));
        }
        if (auto* sent = std::get_if<Handshaker::Send>(&action)) {
            held = sent;
        } else if (auto* installed = std::get_if<Handshaker::Install>(&action)) {
            install(*installed, std::exchange(held, nullptr));
        } else if (const auto* remember = std::get_if<Handshaker::Remember>(&action)) {
            this->remember(*remember);
        } else if (const auto* retired = std::get_if<Handshaker::Retire>(&action)) {
            watch_.ended(retired->peer);
            workers_.post_all([id = retired->peer](Worker& worker) { worker.datapath().retire(id); });
        }
    }
    if (held != nullptr) send(*held);
    arm();
    scrub_stack();  // after what may have been a handshake
}

// A full disk does not silence the node: what it loses is told once.
void Keying::remember(const Handshaker::Remember& remember) {
    try {
        timestamps_->remember(remember.key, remember.newest);
        remember_failed_ = false;
    } catch (const std::runtime_error& failure) {
        if (!std::exchange(remember_failed_, true))
            spdlog::error("{}: after a restart, old first messages may be answered again", failure.what());
    }
}

// A peer that does not answer may be at any of the places that are known of it, over IPv4 or IPv6: it is
// called at all of them. Where it answers from is where it is, so that the rest need no telling apart.
void Keying::send(Handshaker::Send& send) {
    const auto frame = ControlFrame::parse(send.datagram);
    if (frame && frame->type == ControlType::initiation && lost(send.peer)) {
        locator_.lost(send.peer, loop_.now());
        for (const Endpoint& other : locator_.endpoints(send.peer))
            if (other != send.to) this->send(other, send.datagram);
    }
    this->send(send.to, std::move(send.datagram));
}

void Keying::send(const Endpoint& to, std::vector<std::uint8_t> datagram) {
    workers_.post(control_worker, [to, datagram = std::move(datagram)](Worker& worker) {
        worker.datapath().send_control(to, datagram);
    });
}

// When every worker has the keys, the last that got them sends the response to which the session belongs,
// since the peer may use them at once; or, if the response was the peer's, begins to use them itself.
void Keying::install(Handshaker::Install& install, Handshaker::Send* response) {
    Known& known = peers_.at(install.peer);
    known.ipv6 = install.endpoint.address.is_v6();
    for (const Session& session : install.sessions) {
        log_keys(session.outbound, known.ipv6);
        for (const SaKeys& inbound : session.inbound) log_keys(inbound, known.ipv6);
    }
    watch_.agreed(install.peer, install.sessions.front().outbound.cipher, install.endpoint, install.moves,
                  loop_.now());

    struct Rest {
        std::atomic<unsigned> workers;
        std::optional<Handshaker::Send> response;
    };

    const auto rest = std::make_shared<Rest>(workers_.count(), std::nullopt);
    if (response != nullptr) rest->response = std::move(*response);
    for (unsigned i = 0; i < workers_.count(); ++i) {
        workers_.post(i, [id = install.peer, endpoint = install.endpoint, moves = install.moves, rest,
                          session = std::move(install.sessions[i])](Worker& worker) {
            if (moves) worker.datapath().set_endpoint(id, endpoint);
            worker.datapath().install(id, session, worker.now());
            if (--rest->workers > 0) return;
            if (session.initiator) worker.datapath().use(id, session.id, worker.now());
            if (rest->response) worker.datapath().send_control(rest->response->to, rest->response->datagram);
        });
    }
}

void Keying::log_keys(const SaKeys& keys, bool ipv6) {
    if (keylog_) keylog_->append(keys, ipv6);
}

void Keying::arm() {
    Instant deadline = Instant::max();
    const auto consider = [&](const std::optional<Instant>& due) {
        deadline = std::min(deadline, due.value_or(Instant::max()));
    };
    if (handshaker_) consider(handshaker_->next_deadline());
    consider(watch_.next_deadline());
    consider(locator_.next_deadline());
    if (deadline == Instant::max()) return timer_.stop();
    timer_.start(std::max(deadline - loop_.now(), Duration::zero()));
}

}  // namespace weft
