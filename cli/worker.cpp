#include "cli/worker.h"

#include <chrono>
#include <exception>
#include <latch>
#include <utility>

namespace weft {

using namespace std::chrono_literals;

namespace {

constexpr Duration tick_interval = 200ms;
constexpr Duration down_retry_interval = 1s;
constexpr std::size_t backlog_chunk_bytes = std::size_t{64} << 10U;
constexpr std::size_t command_ring = 1024;
constexpr std::size_t event_ring = 1024;
constexpr std::size_t control_event_ring = 256;
constexpr std::size_t learned_event_ring = 256;

}  // namespace

Worker::Worker(std::size_t pool_packets, std::uint32_t max_flows, std::function<void()> event_waiting)
    : pool_(pool_packets),
      datapath_(pool_, {.flows = max_flows}),
      event_waiting_(std::move(event_waiting)),
      commands_(command_ring),
      events_(event_ring),
      control_events_(control_event_ring),
      learned_events_(learned_event_ring) {
    batch_.reserve(Datapath::max_batch);
    std::latch ready{1};
    std::exception_ptr failure;
    thread_ = std::thread([this, &ready, &failure] {
        try {
            loop_ = std::make_unique<Loop>();
            wakeup_ = std::make_unique<Wakeup>(*loop_, [this] { obey(); });
        } catch (...) {
            loop_.reset();
            failure = std::current_exception();
            return ready.count_down();
        }
        ready.count_down();
        run();
    });
    ready.wait();
    if (!failure) return;
    thread_.join();
    std::rethrow_exception(failure);
}

Worker::~Worker() {
    stop();
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wakeup_->send();
    thread_.join();
}

void Worker::run() {
    tick_ = std::make_unique<Timer>(*loop_, [this] {
        datapath_.tick(now());
        flush();
    });
    tick_->start(tick_interval, tick_interval);
    loop_->run();
    finish();
}

void Worker::finish() {
    for (auto& [port, attached] : devices_) {
        while (!attached.backlog->empty()) relay_backlog(port, attached);
    }
    flush();
    samples_poll_.reset();
    esp_poll_.reset();
    control_poll_.reset();
    vxlan_poll_.reset();
    for (auto& [port, attached] : devices_) {
        attached.poll.reset();
        attached.retry.reset();
        attached.again.reset();
    }
    tick_.reset();
    wakeup_.reset();
    loop_.reset();
}

void Worker::post(Command command) {
    while (!commands_.push(command)) {
        wakeup_->send();
        std::this_thread::sleep_for(1ms);
    }
    wakeup_->send();
}

void Worker::obey() {
    while (auto command = commands_.pop()) (*command)(*this);
    flush();
    if (stopping_) loop_->stop();
}

bool Worker::emit(WorkerEvent event) noexcept {
    const bool is_control = std::holds_alternative<ControlReceived>(event);
    const bool is_learned =
        std::holds_alternative<StationLearned>(event) || std::holds_alternative<NeighborLearned>(event);
    auto& ring = is_control ? control_events_ : is_learned ? learned_events_ : events_;
    const bool pushed = ring.push(event);
    event_waiting_();
    return pushed;
}

std::optional<WorkerEvent> Worker::next_event() {
    if (auto event = events_.pop()) return event;
    if (auto event = control_events_.pop()) return event;
    return learned_events_.pop();
}

int Worker::device_queue(PortId port) const noexcept {
    const auto found = devices_.find(port);
    return found == devices_.end() ? -1 : found->second.device->queue();
}

std::vector<UnderlayPart> Worker::underlay_parts() const {
    return underlay_ ? underlay_->parts() : std::vector<UnderlayPart>{};
}

void Worker::begin_reading() {
    reads_ = true;
    for (auto& [port, attached] : devices_) attached.poll->watch({.readable = true});
    for (const auto& poll : {&esp_poll_, &control_poll_, &vxlan_poll_})
        if (*poll) (*poll)->watch({.readable = true});
}

void Worker::attach(PortId port, std::unique_ptr<Device> device) {
    Attached& attached = devices_[port];
    attached.device = std::move(device);
    attached.device->set_offload({.gso = offload_.tun_gso, .gro = offload_.tun_gro});
    attached.retry =
        std::make_unique<Timer>(*loop_, [this, port] { devices_.at(port).poll->watch({.readable = true}); });
    attached.backlog = std::make_unique<Backlog>(attached.device->link_layer());
    attached.again = std::make_unique<Again>(*loop_, [this, port] { read_device(port); });
    watch(port, attached);
}

void Worker::watch(PortId port, Attached& attached) {
    attached.poll = std::make_unique<Poll>(*loop_, attached.device->descriptor(),
                                           [this, port](Poll::Events) { read_device(port); });
    attached.poll->watch({.readable = reads_});
}

void Worker::impair(PortId port, const std::optional<PortLink>& link, const std::string& name) {
    Attached& attached = devices_.at(port);
    if (link && attached.link != nullptr) return attached.link->set(*link);
    if (!link && attached.link == nullptr) return;
    attached.poll.reset();
    if (link) {
        auto impaired = std::make_unique<ImpairedDevice>(std::move(attached.device), *link, name);
        attached.link = impaired.get();
        attached.device = std::move(impaired);
    } else {
        auto inner = attached.link->release();
        attached.link = nullptr;
        attached.device = std::move(inner);
    }
    watch(port, attached);
}

void Worker::detach(PortId port) {
    const auto found = devices_.find(port);
    if (found == devices_.end()) return;
    found->second.poll.reset();
    devices_.erase(found);
}

void Worker::use(std::unique_ptr<Underlay> underlay) {
    esp_poll_.reset();
    control_poll_.reset();
    vxlan_poll_.reset();
    underlay_ = std::move(underlay);
    use_offload(offload_);
    const auto poll = [this](Channel channel) -> std::unique_ptr<Poll> {
        const int descriptor = underlay_->descriptor(channel);
        if (descriptor < 0) return nullptr;
        auto made = std::make_unique<Poll>(*loop_, descriptor,
                                           [this, channel](Poll::Events) { read_underlay(channel); });
        made->watch({.readable = reads_});
        return made;
    };
    esp_poll_ = poll(Channel::esp);
    control_poll_ = poll(Channel::control);
    vxlan_poll_ = poll(Channel::vxlan);
}

void Worker::use(std::unique_ptr<FastFlows> fast_flows) {
    fast_flows_ = std::move(fast_flows);
    datapath_.share_generations(fast_flows_->generations().data());
    datapath_.offload_to(fast_flows_.get(), {});
    samples_poll_ = std::make_unique<Poll>(*loop_, fast_flows_->sample_descriptor(),
                                           [this](Poll::Events) { check_samples(); });
    samples_poll_->watch({.readable = true});
    use_offload(offload_);
}

void Worker::check_samples() {
    fast_flows_->take_samples([this](const FastFlows::Sample& sample) {
        const PortId out = sample.kind == FastFlows::Action::Kind::to_port ? sample.out : no_port;
        ++checked_;
        if (datapath_.check(
                {sample.slot, sample.tag, sample.in, out, sample.vni, sample.is_frame, sample.bytes}, now()))
            return;
        ++differed_;
        emit(FlowDiffered{sample.in, out});
    });
}

void Worker::use_offload(OffloadSwitches switches) {
    offload_ = switches;
    // What the kernel merges for a socket is too large for the fast path.
    const bool merges_vxlan = switches.udp_gro && !(fast_flows_ && fast_flows_->has_uplinks());
    if (underlay_)
        underlay_->use_offload({.gso = switches.udp_gso, .gro = switches.udp_gro, .vxlan_gro = merges_vxlan});
    for (auto& [port, attached] : devices_) {
        attached.device->set_offload({.gso = switches.tun_gso, .gro = switches.tun_gro});
    }
}

Snapshot Worker::snapshot(std::size_t flows) {
    Snapshot snapshot = datapath_.snapshot(now(), flows);
    snapshot.offload.checked = checked_;
    snapshot.offload.differed = differed_;
    for (PortSnapshot& port : snapshot.ports) {
        const auto found = devices_.find(port.port);
        if (found == devices_.end()) continue;
        port.ring_drops = found->second.device->ring_drops();
        if (found->second.link != nullptr) port.link = found->second.link->counters();
    }
    return snapshot;
}

void Worker::read_device(PortId port) {
    Attached& attached = devices_.at(port);
    const auto status = attached.device->read(pool_, attached.backlog->room(), batch_, datapath_.drops(port));
    if (attached.backlog->empty() && status != Device::Status::more) {
        relay(port, batch_);
    } else {
        relay_backlog(port, attached);
    }
    if (status == Device::Status::down) {
        attached.poll->watch({});
        attached.retry->start(down_retry_interval);
    } else if (status == Device::Status::gone) {
        attached.poll->watch({});
        emit(PortLost{port});
    }
}

void Worker::relay(PortId port, std::vector<Packet>& packets) noexcept {
    datapath_.from_port(port, packets, now());
    flush();
    packets.clear();
}

// There is more than one batch. The ring is emptied on, while what was read from it goes out bit by bit.
void Worker::relay_backlog(PortId port, Attached& attached) noexcept {
    attached.backlog->push(batch_);
    relay(port, attached.backlog->urgent());
    attached.backlog->take_bulk(backlog_chunk_bytes, batch_);
    relay(port, batch_);
    attached.again->activate(!attached.backlog->empty());
}

void Worker::read_underlay(Channel channel) {
    underlay_->read(channel, trains_, datapath_.underlay_drops());
    for (std::span<const ReceivedTrain> left = trains_; !left.empty();) {
        std::size_t count = 0;
        for (std::size_t datagrams = 0; count < left.size() && datagrams < Datapath::max_received; ++count)
            datagrams += left[count].datagrams();
        datapath_.from_underlay(left.first(count), now());
        flush();
        left = left.subspan(count);
    }
}

// Everything that the last batch left in the outboxes goes out.
void Worker::flush() noexcept {
    for (const PortId port : datapath_.ports_with_output()) {
        auto& outbox = datapath_.port_outbox(port);
        const auto found = devices_.find(port);
        if (found == devices_.end()) {
            datapath_.drops(port).add(Drop::device_error, outbox.size());
            outbox.clear();
        } else {
            found->second.device->write(outbox, datapath_.drops(port));
        }
    }
    datapath_.flushed();
    if (underlay_) {
        underlay_->write(datapath_.underlay_outbox().trains(), refused_);
        for (const auto& [tunnel, drop, count] : refused_) {
            (tunnel == no_port ? datapath_.underlay_drops() : datapath_.drops(tunnel)).add(drop, count);
            if (drop == Drop::too_big) datapath_.path_refused(tunnel);
        }
        refused_.clear();
    }
    datapath_.underlay_outbox().clear();
    for (Event& event : datapath_.events()) {
        const bool is_control = std::holds_alternative<ControlReceived>(event);
        const bool taken = std::visit([this](auto& what) { return emit(std::move(what)); }, event);
        if (is_control && !taken) datapath_.underlay_drops().add(Drop::queue_full);
    }
    datapath_.events().clear();
}

}  // namespace weft
