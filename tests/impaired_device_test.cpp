// Without delays: what depends on a real clock is measured in tests/netns/impair.sh.
#include "vswitch/device/impaired_device.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

// Gives what it was given, and remembers what was written.
class Pretended final : public Device {
  public:
    [[nodiscard]] int descriptor() const noexcept override { return event_.get(); }

    [[nodiscard]] LinkLayer link_layer() const noexcept override { return LinkLayer::ethernet; }

    [[nodiscard]] const std::string& name() const noexcept override { return name_; }

    void arrive(Packet packet) {
        waiting.push_back(std::move(packet));
        eventfd_write(event_.get(), 1);
    }

    Status read(PacketPool&, std::size_t limit, std::vector<Packet>& out, DropCounters&) noexcept override {
        while (!waiting.empty() && limit-- > 0) {
            out.push_back(std::move(waiting.front()));
            waiting.erase(waiting.begin());
        }
        eventfd_t count = 0;
        if (waiting.empty()) eventfd_read(event_.get(), &count);
        return waiting.empty() ? Status::drained : Status::more;
    }

    std::size_t write(std::vector<Packet>& packets, DropCounters&) noexcept override {
        const std::size_t count = packets.size();
        for (Packet& packet : packets) written.push_back(std::move(packet));
        packets.clear();
        return count;
    }

    std::vector<Packet> waiting;
    std::vector<Packet> written;

  private:
    Descriptor event_{::eventfd(0, EFD_NONBLOCK)};
    std::string name_ = "pretended";
};

struct Fixture {
    explicit Fixture(const PortLink& link) {
        auto device = std::make_unique<Pretended>();
        inner = device.get();
        impaired = std::make_unique<ImpairedDevice>(std::move(device), link, "a");
    }

    [[nodiscard]] bool readable() const {
        pollfd wanted{.fd = impaired->descriptor(), .events = POLLIN, .revents = 0};
        return ::poll(&wanted, 1, 0) == 1;
    }

    Packet frame(std::size_t segments = 1) {
        Packet packet = PacketBuilder()
                            .ethernet(mac("02:00:00:00:00:02"), mac("02:00:00:00:00:01"))
                            .ip(ip("10.0.0.1"), ip("10.0.0.2"))
                            .tcp(1000, 2000)
                            .payload(segments * 1000)
                            .build(pool);
        if (segments == 1) return packet;
        packet.offload() = {
            .gso = Offload::Gso::tcp4, .needs_checksum = true, .gso_size = 1000, .checksum_offset = 16};
        packet.set_checksum_start(34);
        return packet;
    }

    PacketPool pool{64};
    Pretended* inner = nullptr;
    std::unique_ptr<ImpairedDevice> impaired;
    std::vector<Packet> out;
    DropCounters drops;
};

PortLink losing_every(std::uint64_t in, std::uint64_t out) {
    PortLink link;
    link.in.loss = EveryNthLoss{in};
    link.out.loss = EveryNthLoss{out};
    return link;
}

}  // namespace

TEST_CASE("an impaired device is readable when the inner one is, and hands over its queue") {
    Fixture f{PortLink{}};
    CHECK_FALSE(f.readable());
    f.inner->arrive(f.frame());
    CHECK(f.readable());
    CHECK(f.impaired->read(f.pool, 32, f.out, f.drops) == Device::Status::drained);
    CHECK(f.out.size() == 1);
    CHECK_FALSE(f.readable());
    CHECK(f.impaired->queue() == f.inner->descriptor());
    CHECK(f.impaired->descriptor() != f.inner->descriptor());
}

TEST_CASE("each direction has a link of its own, whose losses are the port's drops") {
    Fixture f{losing_every(2, 3)};
    for (int i = 0; i < 6; ++i) f.inner->arrive(f.frame());
    f.impaired->read(f.pool, 32, f.out, f.drops);
    CHECK(f.out.size() == 3);
    std::vector<Packet> batch;
    batch.reserve(6);
    for (int i = 0; i < 6; ++i) batch.push_back(f.frame());
    CHECK(f.impaired->write(batch, f.drops) == 4);
    CHECK(f.inner->written.size() == 4);
    CHECK(f.drops[Drop::impaired] == 5);
    CHECK(f.impaired->counters().in.counters.lost == 3);
    CHECK(f.impaired->counters().out.counters.lost == 2);
}

TEST_CASE("a cut super-frame that is more than the caller has room for comes bit by bit") {
    Fixture f{losing_every(1000, 1000)};
    f.inner->arrive(f.frame(5));
    CHECK(f.impaired->read(f.pool, 2, f.out, f.drops) == Device::Status::more);
    CHECK(f.out.size() == 2);
    CHECK(f.readable());
    CHECK(f.impaired->read(f.pool, 2, f.out, f.drops) == Device::Status::more);
    CHECK(f.readable());
    CHECK(f.impaired->read(f.pool, 2, f.out, f.drops) == Device::Status::drained);
    CHECK(f.out.size() == 5);
    CHECK_FALSE(f.readable());
}

TEST_CASE("a link is changed in place, and taken away") {
    Fixture f{losing_every(1, 1)};
    f.inner->arrive(f.frame());
    f.impaired->read(f.pool, 32, f.out, f.drops);
    CHECK(f.out.empty());
    f.impaired->set(PortLink{});
    f.inner->arrive(f.frame());
    f.impaired->read(f.pool, 32, f.out, f.drops);
    CHECK(f.out.size() == 1);
    const auto inner = f.impaired->release();
    CHECK(inner.get() == f.inner);
    f.inner->arrive(f.frame());
    CHECK_FALSE(f.readable());
    f.inner->waiting.clear();
}
