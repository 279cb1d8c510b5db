// Two hundred sites, each a peer of all others, for one hour of virtual time over a bad underlay.
//
// At the beginning and at the end every site sends to every other one until it is heard (as any real traffic
// would be sent again). In between some tunnels carry steady traffic, so that sessions are rekeyed all the
// time, while the others fall silent, lose their keys with age, and have to agree on new ones when they are
// wanted again.
#include <chrono>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"
#include "tests/support/simulated_network.h"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr PortId tun{0};

IpAddress host_ip(std::size_t index) {
    return IpAddress::v4({10, 20, static_cast<std::uint8_t>(index), 2});
}

class Mesh {
  public:
    Mesh(std::size_t sites, std::uint64_t seed)
        : sites_(sites),
          network_(seed, {.loss = 0.10, .duplication = 0.01, .delay = 10ms, .jitter = 40ms}, 1s),
          heard_(sites * sites) {
        for (std::size_t i = 0; i < sites; ++i) network_.add_node();
        for (std::size_t i = 0; i < sites; ++i) {
            Node& node = network_.node(i);
            node.configure([this, i](Node& self) { configure(self, i); });
            node.on_output = [this, i](PortId, std::span<const std::uint8_t> bytes) {
                heard_[i * sites_ + bytes[14]] = true;
            };
        }
    }

    Network& network() { return network_; }

    // Every site sends to every other, and again to those that have not heard it; returns the pairs that
    // never did.
    std::size_t reach_all(int attempts) {
        std::fill(heard_.begin(), heard_.end(), false);
        std::size_t missing = sites_ * (sites_ - 1);
        for (int attempt = 0; attempt < attempts && missing > 0; ++attempt) {
            for (std::size_t from = 0; from < sites_; ++from) {
                network_.at(network_.now() + 10ms * static_cast<int>(from), [this, from] {
                    for (std::size_t to = 0; to < sites_; ++to) {
                        if (to != from && !heard_[to * sites_ + from]) send(from, to);
                    }
                });
            }
            network_.run_for(10s);
            missing = sites_ * (sites_ - 1) -
                      static_cast<std::size_t>(std::count(heard_.begin(), heard_.end(), true));
        }
        return missing;
    }

    // A ring of tunnels carries a packet each way each five seconds.
    void keep_ring_busy(Duration duration) {
        for (Duration t{0}; t < duration; t += 5s) {
            network_.at(network_.now() + t, [this] {
                for (std::size_t i = 0; i < sites_; ++i) {
                    send(i, (i + 1) % sites_);
                    send((i + 1) % sites_, i);
                }
            });
        }
    }

    std::uint64_t handshakes_of_ring() {
        std::uint64_t completed = 0;
        for (std::size_t i = 0; i < sites_; ++i) {
            const std::size_t next = (i + 1) % sites_;
            completed += network_.node(i)
                             .handshaker()
                             .status(PeerId{static_cast<std::uint16_t>(next < i ? next : next - 1)})
                             .completed;
        }
        return completed;
    }

  private:
    void configure(Node& self, std::size_t index) {
        self.topology().add_datagram_device(tun, {{host_ip(index), 24}}, 1438);
        for (std::size_t other = 0; other < sites_; ++other) {
            if (other == index) continue;
            self.add_peer(network_.node(other), {.prefixes = {Prefix{host_ip(other), 24}.network()}});
        }
    }

    void send(std::size_t from, std::size_t to) {
        network_.node(from).send(tun,
                                 PacketBuilder().ip(host_ip(from), host_ip(to)).udp(1, 2).payload(8).build());
    }

    std::size_t sites_;
    Network network_;
    std::vector<bool> heard_;  // [receiver * sites + sender]
};

std::size_t number_from_environment(const char* name, std::size_t otherwise) {
    const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? otherwise : std::stoul(text);
}

std::uint64_t run_hour(std::size_t sites, std::uint64_t seed) {
    Mesh mesh(sites, seed);
    CHECK(mesh.reach_all(6) == 0);
    mesh.keep_ring_busy(1h - 2min);
    mesh.network().run_for(1h - 2min);
    // 120 s a key, so about 29 times in the hour, by one side or the other.
    CHECK(mesh.handshakes_of_ring() / sites >= 20);
    CHECK(mesh.reach_all(6) == 0);
    CHECK(mesh.network().nonce_reuses() == 0);
    MESSAGE(sites << " sites, " << mesh.network().datagrams() << " datagrams delivered, "
                  << mesh.handshakes_of_ring() << " handshakes in the ring");
    return mesh.network().trace();
}

}  // namespace

TEST_CASE("every site reaches every other through an hour of loss, reordering and rekeys") {
    run_hour(number_from_environment("WEFT_MESH_SITES", 200), 1);
}

TEST_CASE("the same seed gives the same hour") {
    CHECK(run_hour(12, 7) == run_hour(12, 7));
}
