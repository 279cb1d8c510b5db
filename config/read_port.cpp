// [[port]].
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/fields.h"
#include "config/nearest.h"
#include "config/read.h"
#include "config/read_impairment.h"

namespace weft::config {

namespace {

constexpr std::uint32_t min_txqueuelen = 16;
constexpr std::uint32_t max_txqueuelen = 65536;

// A key that a type of port cannot have, and what to do instead.
struct Forbidden {
    Port::Type type;
    std::string_view key;
    std::string_view why;
    std::string_view cure;
};

constexpr std::string_view device_is_not_ours = "a packet port takes an existing device as it is";
constexpr std::string_view set_it_on_the_device = "set it on the device with ip, and remove it here";
constexpr std::string_view tell_who_is_behind =
    "set it on the device with ip, and remove it here, or add spoof_check = true if it is the station's "
    "behind it";
constexpr std::string_view tun_has_no_frames = "a tun port carries IP, not Ethernet";
constexpr std::string_view only_veth_is_patched = "only a veth port has a host end to be patched";

constexpr std::array forbidden_keys{
    Forbidden{Port::Type::tun, "bridge", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tun, "vlan", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tun, "trunk", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tun, "mac", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tun, "spoof_check", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tun, "isolated", tun_has_no_frames, "remove it, or write type = \"tap\""},
    Forbidden{Port::Type::tap, "kernel_routes", "only a tun port has kernel routes",
              "remove it, or write type = \"tun\""},
    Forbidden{Port::Type::veth, "kernel_routes", "only a tun port has kernel routes",
              "remove it, or write type = \"tun\""},
    Forbidden{Port::Type::tap, "patch", only_veth_is_patched, "remove it, or write type = \"veth\""},
    Forbidden{Port::Type::tun, "patch", only_veth_is_patched, "remove it"},
    Forbidden{Port::Type::packet, "patch", only_veth_is_patched, "remove it"},
    Forbidden{Port::Type::packet, "kernel_routes", "only a tun port has kernel routes", "remove it"},
    Forbidden{Port::Type::packet, "address", device_is_not_ours, tell_who_is_behind},
    Forbidden{Port::Type::packet, "mac", device_is_not_ours, tell_who_is_behind},
    Forbidden{Port::Type::packet, "mtu", device_is_not_ours, set_it_on_the_device},
    Forbidden{Port::Type::packet, "txqueuelen", device_is_not_ours, set_it_on_the_device},
};

std::optional<Port::Type> read_type(const Section& section) {
    const auto text = section.text("type");
    if (!text) return std::nullopt;
    if (*text == "tap") return Port::Type::tap;
    if (*text == "tun") return Port::Type::tun;
    if (*text == "veth") return Port::Type::veth;
    if (*text == "packet") return Port::Type::packet;
    constexpr std::array<std::string_view, 4> types{"tap", "tun", "veth", "packet"};
    section.problem("type", fmt::format("{} is not a type of port", quoted(*text)),
                    did_you_mean(*text, types, "use tap, tun, veth or packet"));
    return std::nullopt;
}

Port::Patch read_patch(const Section& section) {
    const auto text = section.text("patch");
    if (!text || *text == "auto") return Port::Patch::automatic;
    if (*text == "tc") return Port::Patch::tc;
    section.problem("patch", fmt::format("{} is no way to patch a port", quoted(*text)),
                    "write \"auto\" or \"tc\"");
    return Port::Patch::automatic;
}

// Of a guarded packet port they are not the device's but of the station behind it.
bool describes_station(const Section& section, const Forbidden& forbidden) {
    return forbidden.cure == tell_who_is_behind && section.boolean("spoof_check").value_or(false);
}

void check_type(const Section& section, Port::Type type) {
    for (const Forbidden& forbidden : forbidden_keys) {
        if (forbidden.type == type && section.has(forbidden.key) && !describes_station(section, forbidden)) {
            section.report().add(section.at_key(forbidden.key),
                                 fmt::format("'{}': {}", forbidden.key, forbidden.why), forbidden.cure);
        }
    }
    if (type != Port::Type::tun && !section.has("bridge")) {
        section.report().add(section.at(),
                             fmt::format("a {} port needs a bridge", section.text("type").value_or("")),
                             "add bridge = \"lan\"");
    }
    if (type == Port::Type::veth && !section.has("netns")) {
        section.report().add(section.at(), "a veth port needs the namespace that its other end is for",
                             "add netns = \"host-a\", or write type = \"tap\"");
    }
    if (type == Port::Type::packet && section.boolean("spoof_check").value_or(false) && !section.has("mac")) {
        section.problem("spoof_check", "a packet port does not know who may send by it",
                        "add mac = \"02:00:00:00:00:11\" and address = [...] of the station behind it");
    }
}

void read_tags(const Section& section, Port& port) {
    port.vlan = read_vlan(section, "vlan");
    port.trunk = read_vlans(section, "trunk");
    if (section.is_empty_list("trunk")) {
        section.problem("trunk", "a trunk without VLANs",
                        "write trunk = [10, 20], or remove it to carry them all");
    }
    if (port.type != Port::Type::tun && section.has("vlan") && section.has("trunk")) {
        section.report().add(std::max(section.at_key("vlan"), section.at_key("trunk")),
                             "a port has either 'vlan' or 'trunk'",
                             "remove 'trunk' for an access port, 'vlan' for a trunk");
    }
}

std::string read_port_device(const Section& section, const std::string& name) {
    if (section.has("device")) return read_device(section, "device").value_or(std::string{});
    if (!name.empty() && !is_device_name(name)) {
        section.problem("name", fmt::format("port {} cannot lend its name to its device", quoted(name)),
                        "use 15 characters at most, or add device = \"...\"");
    }
    return name;
}

// The random choices of two directions are drawn apart in any case.
std::optional<PortLink> read_link(const Section& section) {
    const auto base = section.table("impair", port_impairment_schema);
    if (!base) return std::nullopt;
    PortLink link;
    link.in = link.out = read_impairment(*base);
    if (const auto seed = base->integer("seed")) link.seed = static_cast<std::uint64_t>(*seed);
    if (const auto in = base->table("in", impairment_schema)) link.in = read_impairment(*base, *in);
    if (const auto out = base->table("out", impairment_schema)) link.out = read_impairment(*base, *out);
    return link;
}

}  // namespace

Port read_port(const Section& section) {
    section.check();
    Port port;
    port.name = read_name(section);
    const auto type = read_type(section);
    port.type = type.value_or(Port::Type::tap);
    if (type) check_type(section, *type);
    port.device = read_port_device(section, port.name);
    port.netns = read_netns(section, "netns");
    port.bridge = section.text("bridge");
    read_tags(section, port);
    port.address = read_interface_addresses(section, "address");
    port.mac = read_mac(section, "mac");
    port.mtu = read_mtu(section, "mtu");
    port.patch = read_patch(section);
    port.txqueuelen =
        read_number(section, "txqueuelen", min_txqueuelen, max_txqueuelen).value_or(port.txqueuelen);
    port.fast_path = section.boolean("fastpath").value_or(true);
    port.kernel_routes = section.boolean("kernel_routes").value_or(true);
    port.spoof_check = section.boolean("spoof_check").value_or(false);
    port.isolated = section.boolean("isolated").value_or(false);
    port.impair = read_link(section);

    if (port.mtu && *port.mtu < min_v6_mtu && has_v6(port.address)) {
        section.problem("mtu", fmt::format("an MTU of {} is too small for IPv6", *port.mtu),
                        fmt::format("use {} or more, or remove the IPv6 addresses", min_v6_mtu));
    }
    return port;
}

}  // namespace weft::config
