#include "lab/simulation/datagram_traffic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "vswitch/wire.h"

namespace weft::lab {

namespace {

constexpr double nanoseconds = 1e9;

double packets_per_second(const Traffic& traffic) {
    if (!(traffic.rate > 0)) {
        throw std::runtime_error(
            fmt::format("traffic {}: a rate of {}: give one above 0", traffic.name, traffic.rate));
    }
    if (traffic.kind == Traffic::Kind::ping) return traffic.rate;
    return traffic.rate / (8.0 * std::max<std::uint32_t>(traffic.size, 1));
}

}  // namespace

PacketClock::PacketClock(double packets_per_second, bool poisson, RandomStream random, Instant start)
    : interval_(std::clamp(nanoseconds / packets_per_second, 1.0, 1e18)),
      poisson_(poisson),
      random_(random),
      start_(start),
      next_(start) {
    if (poisson_) next_ += exponential();
}

// Counted from the start, so that no fraction of a nanosecond is lost.
void PacketClock::step() {
    ++packets_;
    if (poisson_) {
        next_ += exponential();
    } else {
        next_ = start_ + Duration{static_cast<std::int64_t>(interval_ * static_cast<double>(packets_))};
    }
}

// By von Neumann's comparisons of uniform numbers (1951), without a logarithm: the same on every machine.
Duration PacketClock::exponential() {
    for (double whole = 0;; ++whole) {
        const std::uint64_t first = random_.next();
        std::uint64_t last = first;
        bool odd = true;
        for (std::uint64_t next = random_.next(); next < last; next = random_.next()) {
            last = next;
            odd = !odd;
        }
        if (!odd) continue;
        const double part = static_cast<double>(first >> 11U) * 0x1.0p-53;
        return Duration{static_cast<std::int64_t>(interval_ * (whole + part))};
    }
}

void Stamp::write(std::span<std::uint8_t> payload) const noexcept {
    if (payload.size() < size) return;
    *writable_view<be64>(payload, 0) = number;
    *writable_view<be64>(payload, 8) = static_cast<std::uint64_t>(sent.time_since_epoch().count());
}

std::optional<Stamp> Stamp::read(std::span<const std::uint8_t> payload) noexcept {
    if (payload.size() < size) return std::nullopt;
    const auto time = static_cast<std::int64_t>(view<be64>(payload, 8)->value());
    return Stamp{view<be64>(payload, 0)->value(), Instant{Duration{time}}};
}

std::vector<std::uint8_t> payload_of(const Generator::Context& context, std::size_t size) {
    RandomStream random(context.seed, context.traffic.name, "payload");
    std::vector<std::uint8_t> payload(size);
    for (auto& byte : payload) byte = static_cast<std::uint8_t>(random.next());
    return payload;
}

StampedTraffic::StampedTraffic(const Context& context, double rate, bool poisson)
    : Generator(context),
      route_(route_there()),
      clock_(rate, poisson, RandomStream(context.seed, context.traffic.name, "times"), context.start),
      payload_(payload_of(context, context.traffic.size)) {
    constexpr std::size_t header = sizeof(UdpHeader);  // and as much for ICMP
    const std::size_t whole = ip_header_size(route_.endpoints.source) + header + payload_.size();
    if (whole > route_.way.mtu) {
        throw std::runtime_error(fmt::format(
            "traffic {}: datagrams of {} bytes, and an MTU of {}: give a size of at most {}",
            context.traffic.name, whole, route_.way.mtu,
            std::max<std::size_t>(route_.way.mtu, whole - payload_.size()) + payload_.size() - whole));
    }
    route_.endpoints.source_port = number();
    next_ = clock_.next();
    if (next_ >= context_.stop) next_ = Instant::max();
}

void StampedTraffic::run(Instant now) {
    const std::uint64_t number = packets_++;
    Stamp{number, now}.write(payload_);
    if (Packet datagram = context_.pool.take()) {
        write(datagram, number, payload_);
        sent(payload_.size(), now);
        context_.from.send(route_.way, std::move(datagram), now);
    } else {
        ++result_.unsent;
    }
    clock_.step();
    next_ = clock_.next() < context_.stop ? clock_.next() : Instant::max();
}

void StampedTraffic::take(std::span<const std::uint8_t> payload, Instant now) {
    const auto stamp = Stamp::read(payload);
    if (!stamp) return received(payload.size(), now);
    const auto arrival = window_.note(stamp->number);
    if (arrival == SequenceWindow::Arrival::again) {
        ++result_.duplicates;
        return;
    }
    if (arrival == SequenceWindow::Arrival::late) ++result_.reordered;
    received(payload.size(), now);
    result_.delays.add(now - stamp->sent);
}

PingTraffic::PingTraffic(const Context& context)
    : StampedTraffic(context, packets_per_second(context.traffic), false) {
    (void)route_back();
}

void PingTraffic::write(Packet& datagram, std::uint64_t number, std::span<const std::uint8_t> payload) {
    const auto transport = begin_datagram(
        datagram, route_.endpoints, route_.endpoints.source.is_v6() ? ip_protocol::icmpv6 : ip_protocol::icmp,
        sizeof(IcmpHeader) + payload.size());
    std::ranges::copy(payload, transport.begin() + sizeof(IcmpHeader));
    finish_echo_request(transport, route_.endpoints, static_cast<std::uint16_t>(number));
}

// The station answers it.
void PingTraffic::arrived(const Received& /*datagram*/, Instant /*now*/) {}

void PingTraffic::returned(const Received& datagram, Instant now) {
    take(datagram.transport.subspan(sizeof(IcmpHeader)), now);
}

DatagramTraffic::DatagramTraffic(const Context& context)
    : StampedTraffic(context, packets_per_second(context.traffic),
                     context.traffic.kind == Traffic::Kind::poisson) {
    route_.endpoints.destination_port = port;
}

void DatagramTraffic::write(Packet& datagram, std::uint64_t /*number*/,
                            std::span<const std::uint8_t> payload) {
    const auto transport =
        begin_datagram(datagram, route_.endpoints, ip_protocol::udp, sizeof(UdpHeader) + payload.size());
    std::ranges::copy(payload, transport.begin() + sizeof(UdpHeader));
    finish_udp(transport, route_.endpoints);
}

void DatagramTraffic::arrived(const Received& datagram, Instant now) {
    take(datagram.transport.subspan(sizeof(UdpHeader)), now);
}

void DatagramTraffic::returned(const Received& /*datagram*/, Instant /*now*/) {}

}  // namespace weft::lab
