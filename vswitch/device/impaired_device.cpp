#include "vswitch/device/impaired_device.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <sys/epoll.h>

namespace weft {

namespace {

Descriptor make_poll() {
    Descriptor poll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!poll) throw_system_error("cannot make an epoll instance for an impaired port", errno);
    return poll;
}

void watch(const Descriptor& poll, int fd) {
    epoll_event event{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        throw_system_error("cannot watch an impaired port", errno);
}

Wire make_wire(const Impairment& impairment, std::uint64_t seed, std::string_view port,
               std::string_view direction, LinkLayer link) {
    const std::string name = std::string{"port "}.append(port).append(" ").append(direction);
    return Wire{impairment, {.seed = seed, .name = name, .link = link}, precise_now()};
}

std::uint64_t lost_by(const Wire& wire) noexcept {
    const WireCounters& counters = wire.counters();
    return counters.lost + counters.cut + counters.too_big + counters.queue_full + counters.aqm_dropped;
}

PortLinkCounters::Direction state_of(const Wire& wire) noexcept {
    return {.counters = wire.counters(),
            .queued_packets = wire.queued_packets(),
            .queued_bytes = wire.queued_bytes(),
            .under_way_packets = wire.under_way_packets(),
            .up = wire.is_up()};
}

}  // namespace

ImpairedDevice::ImpairedDevice(std::unique_ptr<Device> inner, const PortLink& link, std::string_view name)
    : inner_(std::move(inner)),
      poll_(make_poll()),
      in_(make_wire(link.in, link.seed, name, "in", inner_->link_layer())),
      out_(make_wire(link.out, link.seed, name, "out", inner_->link_layer())) {
    watch(poll_, inner_->descriptor());
    watch(poll_, timer_.descriptor());
    arm(precise_now());
}

void ImpairedDevice::set(const PortLink& link) {
    const Instant now = precise_now();
    in_.set(link.in, now);
    out_.set(link.out, now);
    arm(now);
}

std::unique_ptr<Device> ImpairedDevice::release() noexcept {
    ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, inner_->descriptor(), nullptr);
    return std::move(inner_);
}

Device::Status ImpairedDevice::read(PacketPool& pool, std::size_t limit, std::vector<Packet>& out,
                                    DropCounters& drops) noexcept {
    const Status status = inner_->read(pool, limit, batch_, drops);
    const Instant now = precise_now();
    if (now >= armed_) lead_time_.woke(armed_, now);
    in_.offer(batch_, now);
    in_.deliver(now + lead_time_.lead(), arrived_);
    write_due(now, drops);
    hand_over(limit, out);
    count_lost(drops);
    arm(now);
    return !arrived_.empty() && status == Status::drained ? Status::more : status;
}

std::size_t ImpairedDevice::write(std::vector<Packet>& packets, DropCounters& drops) noexcept {
    const Instant now = precise_now();
    out_.offer(packets, now);
    const std::size_t went = write_due(now, drops);
    count_lost(drops);
    arm(now);
    return went;
}

// The caller has room for so many, and a cut super-frame may be more.
void ImpairedDevice::hand_over(std::size_t limit, std::vector<Packet>& out) noexcept {
    const std::size_t end = std::min(arrived_.size(), first_arrived_ + limit);
    for (; first_arrived_ < end; ++first_arrived_) out.push_back(std::move(arrived_[first_arrived_]));
    if (first_arrived_ < arrived_.size()) return;
    arrived_.clear();
    first_arrived_ = 0;
}

std::size_t ImpairedDevice::write_due(Instant now, DropCounters& drops) noexcept {
    out_.deliver(now + lead_time_.lead(), due_);
    return due_.empty() ? 0 : inner_->write(due_, drops);
}

void ImpairedDevice::count_lost(DropCounters& drops) noexcept {
    const std::uint64_t lost = lost_by(in_) + lost_by(out_);
    if (lost != lost_) drops.add(Drop::impaired, lost - std::exchange(lost_, lost));
}

void ImpairedDevice::arm(Instant now) noexcept {
    Instant next = std::min(in_.next(), out_.next());
    if (next != Instant::max()) next -= lead_time_.lead();
    if (!arrived_.empty()) next = now;
    if (next == armed_ && (next > now || next == Instant::max())) return;
    armed_ = next;
    timer_.set(next);
}

PortLinkCounters ImpairedDevice::counters() const noexcept {
    return {.in = state_of(in_), .out = state_of(out_)};
}

}  // namespace weft
