#include "lab/simulation/generator.h"

#include <stdexcept>

#include <fmt/format.h>

#include "lab/simulation/datagram_traffic.h"
#include "lab/simulation/replay_traffic.h"
#include "lab/simulation/tcp_traffic.h"

namespace weft::lab {

void Generator::sent(std::size_t payload, Instant now) {
    ++result_.sent_packets;
    result_.sent_bytes += payload;
    if (!result_.first_sent) result_.first_sent = now;
}

void Generator::received(std::size_t payload, Instant now) {
    ++result_.received_packets;
    result_.received_bytes += payload;
    result_.last_received = now;
}

// IPv4 if both have it.
Generator::Route Generator::route_there() const {
    for (const bool v6 : {false, true}) {
        const auto destination = context_.to.address_for(context_.from, v6);
        if (!destination) continue;
        const auto way = context_.from.way_to(*destination);
        if (way) return {{.source = way->source, .destination = *destination}, *way};
    }
    throw std::runtime_error(
        fmt::format("traffic {}: its hosts have no addresses between which there is a route: give both an "
                    "address of one family, and `via` if they are on different links",
                    context_.traffic.name));
}

Generator::Route Generator::route_back() const {
    const Endpoints there = route_there().endpoints;
    const auto way = context_.to.way_to(there.source);
    if (way) return {{.source = there.destination, .destination = there.source}, *way};
    throw std::runtime_error(
        fmt::format("traffic {}: there is no route back to {}: give the host one, with `via`",
                    context_.traffic.name, there.source.to_string()));
}

std::unique_ptr<Generator> make_generator(const Generator::Context& context) {
    switch (context.traffic.kind) {
        case Traffic::Kind::ping:
            return std::make_unique<PingTraffic>(context);
        case Traffic::Kind::constant:
        case Traffic::Kind::poisson:
            return std::make_unique<DatagramTraffic>(context);
        case Traffic::Kind::tcp:
            return std::make_unique<TcpTraffic>(context);
        case Traffic::Kind::replay:
            return std::make_unique<ReplayTraffic>(context);
    }
    return nullptr;
}

}  // namespace weft::lab
