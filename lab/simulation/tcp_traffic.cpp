#include "lab/simulation/tcp_traffic.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "lab/simulation/datagram_traffic.h"
#include "vswitch/emulation/random_stream.h"

namespace weft::lab {

namespace {

std::uint32_t initial_sequence(const Generator::Context& context, std::string_view whose) {
    return static_cast<std::uint32_t>(RandomStream(context.seed, context.traffic.name, whose).next());
}

}  // namespace

TcpTraffic::TcpTraffic(const Context& context)
    : Generator(context),
      there_(route_there()),
      back_(route_back()),
      payload_(payload_of(context, segment_size())),
      now_(context.start),
      sender_({.segment_size = payload_.size(),
               .header_size =
                   sizeof(EthernetHeader) + ip_header_size(there_.endpoints.source) + sizeof(TcpHeader),
               .initial_sequence = initial_sequence(context, "sender")},
              [this](const TcpSegment& segment) { outbox_.push_back({true, segment}); }),
      receiver_(initial_sequence(context, "receiver"), static_cast<std::uint16_t>(payload_.size()),
                [this](const TcpSegment& segment) { outbox_.push_back({false, segment}); }) {
    there_.endpoints.source_port = back_.endpoints.destination_port = number();
    there_.endpoints.destination_port = back_.endpoints.source_port = port;
    if (context.start < context.stop) next_ = context.start;
}

// As large as both ends' links carry.
std::size_t TcpTraffic::segment_size() const {
    const std::size_t headers = ip_header_size(there_.endpoints.source) + sizeof(TcpHeader);
    const std::size_t mtu = std::min(there_.way.mtu, back_.way.mtu);
    if (mtu <= headers || context_.traffic.size == 0) {
        throw std::runtime_error(fmt::format("traffic {}: segments of {} bytes at an MTU of {}: give more",
                                             context_.traffic.name, context_.traffic.size, mtu));
    }
    return std::min<std::size_t>(context_.traffic.size, mtu - headers);
}

void TcpTraffic::flush() {
    if (std::exchange(flushing_, true)) return;
    for (std::size_t i = 0; i < outbox_.size(); ++i) {  // NOLINT(modernize-loop-convert): it grows
        const Outgoing next = outbox_[i];
        send(next);
    }
    outbox_.clear();
    flushing_ = false;
}

void TcpTraffic::send(const Outgoing& outgoing) {
    Packet datagram = context_.pool.take();
    if (!datagram) {
        ++result_.unsent;
        return;
    }
    const std::size_t payload = outgoing.segment.payload;
    if (payload > 0) sent(payload, now_);
    const Route& route = outgoing.there ? there_ : back_;
    write_tcp(datagram, route.endpoints, outgoing.segment, std::span{payload_}.first(payload));
    (outgoing.there ? context_.from : context_.to).send(route.way, std::move(datagram), now_);
}

void TcpTraffic::run(Instant now) {
    now_ = now;
    if (!started_) {
        started_ = true;
        sender_.start(now);
    }
    if (!closed_ && now >= context_.stop) {
        closed_ = true;
        sender_.close(now);
    }
    if (sender_.next() <= now) sender_.run(now);
    flush();
    reschedule();
}

void TcpTraffic::arrived(const Received& datagram, Instant now) {
    now_ = now;
    const auto segment = parse_tcp(datagram.transport);
    if (!segment) return;
    if (segment->payload > 0) received(segment->payload, now);
    receiver_.receive(*segment);
    flush();
    reschedule();
}

void TcpTraffic::returned(const Received& datagram, Instant now) {
    now_ = now;
    const auto segment = parse_tcp(datagram.transport);
    if (!segment) return;
    sender_.receive(*segment, now);
    flush();
    reschedule();
}

void TcpTraffic::reschedule() {
    next_ = sender_.next();
    if (!closed_) next_ = std::min(next_, context_.stop);
}

// Received is what came in order, once.
TrafficResult TcpTraffic::result() const {
    TrafficResult result = result_;
    const TcpSender::Counters& counters = sender_.counters();
    result.retransmitted = counters.retransmitted;
    result.recoveries = counters.recoveries;
    result.timeouts = counters.timeouts;
    result.duplicates = receiver_.duplicates();
    result.received_packets -= std::min(result.received_packets, receiver_.duplicates());
    result.received_bytes = receiver_.received_bytes();
    result.delays = sender_.round_trips();
    return result;
}

}  // namespace weft::lab
