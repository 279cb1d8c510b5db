#include "cli/keeper_messages.h"

#include <fcntl.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/packet_builder.h"

using namespace weft;
using test::prefix;

namespace {

Descriptor some_file() {
    return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

MadePort through_a_channel(const MadePort& made) {
    auto [ours, theirs] = DescriptorChannel::make_pair();
    const DescriptorChannel from(std::move(ours));
    const DescriptorChannel to(std::move(theirs));
    std::vector<int> descriptors;
    const auto body = to_json(made, descriptors);
    from.send(body, descriptors);
    return made_port(to.receive().value());
}

}  // namespace

TEST_CASE("an order for a port is the same on the other side") {
    PortOrder order{.type = config::Port::Type::veth,
                    .interface = {.name = "eth0",
                                  .netns = "/run/netns/c1",
                                  .mtu = 1408,
                                  .mac = MacAddress{{2, 0, 0, 0, 0, 1}},
                                  .addresses = {prefix("10.1.0.5/24"), prefix("fd00::5/64")},
                                  .txqueuelen = 500},
                    .queues = 2,
                    .host_end = "weftv0123456789",
                    .tap = "weftt0123456789",
                    .alias = "weft a port c1",
                    .patch_by_tc = true,
                    .keep = true,
                    .no_fast_path = "switched off"};
    const auto check = [&] {
        const PortOrder read = port_order(to_json(order));
        CHECK(to_json(read) == to_json(order));
        CHECK(read.interface.netns == order.interface.netns);
        CHECK(read.interface.mac == order.interface.mac);
        CHECK(read.interface.addresses == order.interface.addresses);
        CHECK(read.keep == order.keep);
    };
    check();
    order.interface.netns.reset();
    order.interface.mac.reset();
    order.interface.addresses.clear();
    order.keep = false;
    check();
}

TEST_CASE("a port that stands is the same on the other side") {
    StandingPort standing{.order = {}, .is_veth = true, .has_hooks = true, .index = 12};
    standing.order.interface.name = "lan0";
    standing.order.queues = 2;
    const StandingPort read = standing_port(to_json(standing));
    CHECK(to_json(read.order) == to_json(standing.order));
    CHECK(read.is_veth);
    CHECK(read.has_hooks);
    CHECK(read.index == 12);
}

TEST_CASE("a port that was made comes over with its queues and hooks, each where it belongs") {
    MadePort made{.is_veth = true, .device = "eth0", .note = "veth"};
    made.tuntap.name = "weftt0";
    made.tuntap.offloads = 0x7F;
    made.tuntap.index = 12;
    made.tuntap.queues.push_back(some_file());
    made.tuntap.queues.push_back(some_file());
    made.tuntap.netlink = some_file();
    made.hooks = PortHooks{.is_veth = true,
                           .leads_elsewhere = true,
                           .device = 11,
                           .patch = 12,
                           .why_no_flows = "nothing arrives"};
    for (int i = 0; i < 3; ++i) made.hooks->hooks.emplace_back(some_file());

    const MadePort got = through_a_channel(made);
    CHECK(got.is_veth);
    CHECK(got.device == "eth0");
    CHECK(got.note == "veth");
    CHECK(got.tuntap.name == "weftt0");
    CHECK(got.tuntap.offloads == 0x7F);
    CHECK(got.tuntap.index == 12);
    CHECK(got.tuntap.queues.size() == 2);
    CHECK(got.tuntap.netlink);
    REQUIRE(got.hooks);
    CHECK(got.hooks->leads_elsewhere);
    CHECK(got.hooks->device == 11);
    CHECK(got.hooks->patch == 12);
    CHECK(got.hooks->why_no_flows == "nothing arrives");
    CHECK(got.hooks->hooks.size() == 3);
}

TEST_CASE("a packet port is its sockets") {
    MadePort made{.is_packet = true, .device = "eth1"};
    made.sockets.push_back(some_file());
    const MadePort got = through_a_channel(made);
    CHECK(got.is_packet);
    CHECK(got.device == "eth1");
    CHECK(got.sockets.size() == 1);
    CHECK_FALSE(got.hooks);
}

TEST_CASE("rules for masquerading are the same on the other side, and none are none") {
    const NatRules rules{.node = "a", .sources = {prefix("10.1.0.0/24")}, .devices = {"weft-out"}};
    CHECK(nat_rules(to_json(std::optional{rules})) == rules);
    CHECK_FALSE(nat_rules(to_json(std::optional<NatRules>{})));
}
