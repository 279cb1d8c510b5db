#include "vswitch/netlink.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <stdexcept>

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <net/if.h>
#include <sys/socket.h>

#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/act/mirred.h>
#include <netlink/route/action.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/netconf.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>

namespace weft {

namespace {

template <auto Release>
struct Releaser {
    template <class Object>
    void operator()(Object* object) const noexcept {
        Release(object);
    }
};

using SocketHandle = std::unique_ptr<nl_sock, Releaser<nl_socket_free>>;
using LinkHandle = std::unique_ptr<rtnl_link, Releaser<rtnl_link_put>>;
using NlAddressHandle = std::unique_ptr<nl_addr, Releaser<nl_addr_put>>;
using AddressHandle = std::unique_ptr<rtnl_addr, Releaser<rtnl_addr_put>>;
using RouteHandle = std::unique_ptr<rtnl_route, Releaser<rtnl_route_put>>;
using QdiscHandle = std::unique_ptr<rtnl_qdisc, Releaser<rtnl_qdisc_put>>;
using FilterHandle = std::unique_ptr<rtnl_cls, Releaser<rtnl_cls_put>>;
using ActionHandle = std::unique_ptr<rtnl_act, Releaser<rtnl_act_put>>;
using CallbackHandle = std::unique_ptr<nl_cb, Releaser<nl_cb_put>>;
using NetconfHandle = std::unique_ptr<rtnl_netconf, Releaser<rtnl_netconf_put>>;
using CacheHandle = std::unique_ptr<nl_cache, Releaser<nl_cache_free>>;

void check(int error, const std::string& attempted) {
    if (error < 0) throw std::runtime_error("cannot " + attempted + ": " + nl_geterror(error));
}

template <class Handle>
Handle owned(typename Handle::pointer object) {
    if (object == nullptr) throw std::bad_alloc();
    return Handle{object};
}

std::uint16_t clamped(std::uint32_t mtu) noexcept {
    return static_cast<std::uint16_t>(
        std::min<std::uint32_t>(mtu, std::numeric_limits<std::uint16_t>::max()));
}

int family(const IpAddress& address) noexcept {
    return address.is_v6() ? AF_INET6 : AF_INET;
}

NlAddressHandle to_netlink(const IpAddress& address, unsigned prefix_length) {
    const auto bytes = address.bytes();
    auto result = owned<NlAddressHandle>(nl_addr_build(family(address), bytes.data(), bytes.size()));
    nl_addr_set_prefixlen(result.get(), static_cast<int>(prefix_length));
    return result;
}

std::optional<IpAddress> from_netlink(const nl_addr* address) {
    std::array<std::uint8_t, 16> octets{};
    const auto size = nl_addr_get_len(address);
    if (size > octets.size()) return std::nullopt;
    std::memcpy(octets.data(), nl_addr_get_binary_addr(address), size);
    if (nl_addr_get_family(address) == AF_INET6) return IpAddress::v6(octets);
    return IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
}

RouteHandle device_route(const Prefix& to, int interface_index) {
    auto route = owned<RouteHandle>(rtnl_route_alloc());
    const auto destination = to_netlink(to.network().address, to.length);
    check(rtnl_route_set_dst(route.get(), destination.get()),
          "set a route's destination to " + to.to_string());
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    rtnl_route_set_protocol(route.get(), Netlink::route_protocol);
    rtnl_route_set_scope(route.get(), to.address.is_v6() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
    rtnl_nexthop* next_hop = rtnl_route_nh_alloc();
    if (next_hop == nullptr) throw std::bad_alloc();
    rtnl_route_nh_set_ifindex(next_hop, interface_index);
    rtnl_route_add_nexthop(route.get(), next_hop);  // the route owns it now
    return route;
}

}  // namespace

struct Netlink::Socket {
    SocketHandle handle;

    [[nodiscard]] nl_sock* get() const noexcept { return handle.get(); }

    [[nodiscard]] LinkHandle find(int index, const char* name) const {
        rtnl_link* link = nullptr;
        const int error = rtnl_link_get_kernel(get(), index, name, &link);
        if (error == -NLE_OBJ_NOTFOUND || error == -NLE_NODEV) return nullptr;
        check(error, "look up interface " + (name != nullptr ? std::string{name} : std::to_string(index)));
        return LinkHandle{link};
    }

    [[nodiscard]] LinkHandle require(const std::string& name) const {
        auto link = find(0, name.c_str());
        if (!link) throw std::runtime_error("no such interface: " + name);
        return link;
    }

    template <class Set>
    void change(const std::string& name, const std::string& attempted, Set&& set) const {
        const auto link = require(name);
        const auto changes = owned<LinkHandle>(rtnl_link_alloc());
        set(changes.get());
        check(rtnl_link_change(get(), link.get(), changes.get(), 0), attempted + " of " + name);
    }

    // Route by route, and not as one of libnl's caches: a router's table may be large.
    void each_route(const std::function<void(rtnl_route*)>& visit) const {
        const auto hand_over = [](nl_msg* message, void* visitor) -> int {
            nlmsghdr* const header = nlmsg_hdr(message);
            if (header->nlmsg_type != RTM_NEWROUTE || nlmsg_valid_hdr(header, sizeof(rtmsg)) == 0)
                return NL_SKIP;
            rtnl_route* parsed = nullptr;
            if (rtnl_route_parse(header, &parsed) < 0) return NL_SKIP;
            const RouteHandle owner{parsed};
            (*static_cast<const std::function<void(rtnl_route*)>*>(visitor))(parsed);
            return NL_OK;
        };
        const CallbackHandle usual{nl_socket_get_cb(get())};
        const auto callbacks = owned<CallbackHandle>(nl_cb_clone(usual.get()));
        auto* visitor = const_cast<std::function<void(rtnl_route*)>*>(&visit);
        nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, hand_over, visitor);
        for (const int family : {AF_INET, AF_INET6}) {
            rtmsg request{};
            request.rtm_family = static_cast<unsigned char>(family);
            const std::string attempted = "list the routes";
            check(nl_send_simple(get(), RTM_GETROUTE, NLM_F_DUMP, &request, sizeof request), attempted);
            check(nl_recvmsgs(get(), callbacks.get()), attempted);
        }
    }
};

Netlink::Netlink() : socket_(std::make_unique<Socket>(owned<SocketHandle>(nl_socket_alloc()))) {
    check(nl_connect(socket_->get(), NETLINK_ROUTE), "open an rtnetlink socket");
}

Netlink::Netlink(Descriptor socket)
    : socket_(std::make_unique<Socket>(owned<SocketHandle>(nl_socket_alloc()))) {
    check(nl_socket_set_fd(socket_->get(), NETLINK_ROUTE, socket.get()), "use an rtnetlink socket");
    socket.release();
}

Descriptor Netlink::take_descriptor() {
    Descriptor copy(::fcntl(nl_socket_get_fd(socket_->get()), F_DUPFD_CLOEXEC, 0));
    if (!copy) throw_system_error("cannot pass on an rtnetlink socket", errno);
    return copy;
}

Netlink::~Netlink() = default;

Netlink::Netlink(Netlink&&) noexcept = default;

std::optional<Netlink::Link> Netlink::link(const std::string& name) {
    const auto link = socket_->find(0, name.c_str());
    if (!link) return std::nullopt;
    Link result{.index = rtnl_link_get_ifindex(link.get()),
                .mtu = clamped(rtnl_link_get_mtu(link.get())),
                .up = (rtnl_link_get_flags(link.get()) & IFF_UP) != 0,
                .mac = {}};
    const nl_addr* mac = rtnl_link_get_addr(link.get());
    if (mac != nullptr && nl_addr_get_len(mac) == result.mac.octets.size()) {
        const auto* octets = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(mac));
        std::copy_n(octets, result.mac.octets.size(), result.mac.octets.begin());
    }
    return result;
}

std::uint64_t Netlink::tx_dropped(int index) {
    const auto link = socket_->find(index, nullptr);
    if (!link) throw std::runtime_error("no such interface: " + std::to_string(index));
    return rtnl_link_get_stat(link.get(), RTNL_LINK_TX_DROPPED);
}

bool Netlink::leads_elsewhere(int index) {
    const auto link = socket_->find(index, nullptr);
    if (!link) throw std::runtime_error("no such interface: " + std::to_string(index));
    std::int32_t id = 0;
    return rtnl_link_get_link_netnsid(link.get(), &id) == 0;
}

void Netlink::set_mtu(const std::string& name, std::uint16_t mtu) {
    socket_->change(name, "set the MTU " + std::to_string(mtu),
                    [&](rtnl_link* link) { rtnl_link_set_mtu(link, mtu); });
}

void Netlink::set_mac(const std::string& name, const MacAddress& mac) {
    const auto address = owned<NlAddressHandle>(nl_addr_build(AF_LLC, mac.octets.data(), mac.octets.size()));
    socket_->change(name, "set the MAC address " + mac.to_string(),
                    [&](rtnl_link* link) { rtnl_link_set_addr(link, address.get()); });
}

void Netlink::set_txqueuelen(const std::string& name, std::uint32_t packets) {
    socket_->change(name, "set the transmit queue length " + std::to_string(packets),
                    [&](rtnl_link* link) { rtnl_link_set_txqlen(link, packets); });
}

void Netlink::set_up(const std::string& name) {
    socket_->change(name, "set the state 'up'", [](rtnl_link* link) { rtnl_link_set_flags(link, IFF_UP); });
}

void Netlink::set_alias(const std::string& name, const std::string& alias) {
    socket_->change(name, "set the alias '" + alias + "'",
                    [&](rtnl_link* link) { rtnl_link_set_ifalias(link, alias.c_str()); });
}

void Netlink::set_silent(const std::string& name) {
    socket_->change(name, "switch off the IPv6 addresses", [](rtnl_link* link) {
        rtnl_link_inet6_set_addr_gen_mode(link, rtnl_link_inet6_str2addrgenmode("none"));
    });
}

void Netlink::add_veth(const VethPair& pair) {
    const auto here = owned<LinkHandle>(rtnl_link_veth_alloc());
    const LinkHandle there{rtnl_link_veth_get_peer(here.get())};
    rtnl_link_set_name(here.get(), pair.here.c_str());
    rtnl_link_set_mtu(here.get(), pair.mtu);
    rtnl_link_set_name(there.get(), pair.there.c_str());
    rtnl_link_set_mtu(there.get(), pair.mtu);
    rtnl_link_set_ns_fd(there.get(), pair.namespace_there);
    const int error = rtnl_link_add(socket_->get(), here.get(), NLM_F_CREATE | NLM_F_EXCL);
    const std::string attempted = "create device " + pair.there + " (veth) and its host end " + pair.here;
    if (error == -NLE_PERM)
        throw std::runtime_error("cannot " + attempted + ": run as root or with CAP_NET_ADMIN");
    if (error == -NLE_OPNOTSUPP)
        throw std::runtime_error("cannot " + attempted + ": load the kernel module (modprobe veth)");
    check(error, attempted);
}

bool Netlink::remove_veth(const std::string& name) {
    const auto link = socket_->find(0, name.c_str());
    if (!link || rtnl_link_is_veth(link.get()) == 0) return false;
    const int error = rtnl_link_delete(socket_->get(), link.get());
    if (error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND) return false;
    check(error, "remove the device " + name);
    return true;
}

// u32 rather than matchall: the older one is in more kernels.
void Netlink::redirect(int from, int to) {
    const std::string attempted = "redirect what arrives at an interface (tc clsact, u32, mirred)";
    const auto qdisc = owned<QdiscHandle>(rtnl_qdisc_alloc());
    rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), from);
    rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_CLSACT);
    rtnl_tc_set_handle(TC_CAST(qdisc.get()), TC_H_MAKE(TC_H_CLSACT, 0));
    check(rtnl_tc_set_kind(TC_CAST(qdisc.get()), "clsact"), attempted);
    check(rtnl_qdisc_add(socket_->get(), qdisc.get(), NLM_F_CREATE | NLM_F_EXCL), attempted);

    const auto action = owned<ActionHandle>(rtnl_act_alloc());
    check(rtnl_tc_set_kind(TC_CAST(action.get()), "mirred"), attempted);
    check(rtnl_mirred_set_action(action.get(), TCA_EGRESS_REDIR), attempted);
    check(rtnl_mirred_set_policy(action.get(), TC_ACT_STOLEN), attempted);
    check(rtnl_mirred_set_ifindex(action.get(), static_cast<std::uint32_t>(to)), attempted);

    const auto filter = owned<FilterHandle>(rtnl_cls_alloc());
    rtnl_tc_set_ifindex(TC_CAST(filter.get()), from);
    rtnl_tc_set_parent(TC_CAST(filter.get()), TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS));
    check(rtnl_tc_set_kind(TC_CAST(filter.get()), "u32"), attempted);
    rtnl_cls_set_prio(filter.get(), 1);
    rtnl_cls_set_protocol(filter.get(), ETH_P_ALL);
    check(rtnl_u32_add_key_uint32(filter.get(), 0, 0, 0, 0), attempted);
    check(rtnl_u32_set_cls_terminal(filter.get()), attempted);
    check(rtnl_u32_add_action(filter.get(), action.get()), attempted);
    check(rtnl_cls_add(socket_->get(), filter.get(), NLM_F_CREATE | NLM_F_EXCL), attempted);
}

void Netlink::clear_redirects(int from) {
    const auto qdisc = owned<QdiscHandle>(rtnl_qdisc_alloc());
    rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), from);
    rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_CLSACT);
    const int error = rtnl_qdisc_delete(socket_->get(), qdisc.get());
    if (error == -NLE_OBJ_NOTFOUND || error == -NLE_INVAL) return;
    check(error, "clear the redirections of an interface (tc clsact)");
}

void Netlink::add_address(const std::string& name, const Prefix& address) {
    const auto link = socket_->require(name);
    const auto local = to_netlink(address.address, address.length);
    const auto entry = owned<AddressHandle>(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(entry.get(), rtnl_link_get_ifindex(link.get()));
    const std::string attempted = "add the address " + address.to_string() + " to " + name;
    check(rtnl_addr_set_local(entry.get(), local.get()), attempted);
    if (address.address.is_v6()) rtnl_addr_set_flags(entry.get(), IFA_F_NODAD);
    check(rtnl_addr_add(socket_->get(), entry.get(), NLM_F_EXCL), attempted);
}

std::optional<std::string> Netlink::address_owner(const IpAddress& address) {
    nl_cache* addresses = nullptr;
    check(rtnl_addr_alloc_cache(socket_->get(), &addresses), "list the addresses in use");
    const CacheHandle cache{addresses};
    const auto wanted = to_netlink(address, address.width());
    for (nl_object* object = nl_cache_get_first(addresses); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* entry = reinterpret_cast<rtnl_addr*>(object);
        const nl_addr* local = rtnl_addr_get_local(entry);
        // nl_addr_cmp compares the prefix lengths too, and an address is taken whatever its length.
        if (local == nullptr || nl_addr_get_family(local) != family(address)) continue;
        const auto bytes = address.bytes();
        const auto* octets = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(local));
        if (nl_addr_get_len(local) != bytes.size() || !std::equal(bytes.begin(), bytes.end(), octets))
            continue;
        const auto link = socket_->find(rtnl_addr_get_ifindex(entry), nullptr);
        return link ? rtnl_link_get_name(link.get()) : std::to_string(rtnl_addr_get_ifindex(entry));
    }
    return std::nullopt;
}

bool Netlink::add_route(const Prefix& to, const std::string& name) {
    const auto link = socket_->require(name);
    const auto route = device_route(to, rtnl_link_get_ifindex(link.get()));
    const int added = rtnl_route_add(socket_->get(), route.get(), NLM_F_EXCL);
    if (added == -NLE_EXIST) return false;
    check(added, "add the route to " + to.network().to_string() + " through " + name);
    return true;
}

void Netlink::remove_route(const Prefix& to, const std::string& name) {
    const auto link = socket_->require(name);
    const auto route = device_route(to, rtnl_link_get_ifindex(link.get()));
    check(rtnl_route_delete(socket_->get(), route.get(), 0),
          "remove the route to " + to.network().to_string() + " through " + name);
}

std::optional<Netlink::Way> Netlink::way_to(const IpAddress& destination) {
    const auto address = to_netlink(destination, destination.width());
    rtnl_route* found = nullptr;
    if (rtnl_route_lookup(socket_->get(), address.get(), &found) < 0) return std::nullopt;
    const RouteHandle route{found};
    rtnl_nexthop* next_hop = rtnl_route_nexthop_n(found, 0);
    if (rtnl_route_get_nnexthops(found) != 1 || next_hop == nullptr) return std::nullopt;
    Way way{.device = rtnl_route_nh_get_ifindex(next_hop), .source = std::nullopt};
    if (const nl_addr* source = rtnl_route_get_pref_src(found)) way.source = from_netlink(source);
    return way;
}

std::optional<std::uint16_t> Netlink::route_mtu(const IpAddress& destination) {
    const auto address = to_netlink(destination, destination.width());
    rtnl_route* found = nullptr;
    if (rtnl_route_lookup(socket_->get(), address.get(), &found) < 0) return std::nullopt;
    const RouteHandle route{found};
    std::uint32_t mtu = 0;
    if (rtnl_route_get_metric(found, RTAX_MTU, &mtu) == 0 && mtu != 0) return clamped(mtu);
    rtnl_nexthop* next_hop = rtnl_route_nexthop_n(found, 0);
    if (next_hop == nullptr) return std::nullopt;
    const auto link = socket_->find(rtnl_route_nh_get_ifindex(next_hop), nullptr);
    if (!link) return std::nullopt;
    return clamped(rtnl_link_get_mtu(link.get()));
}

std::optional<int> Netlink::route_interface(const IpAddress& destination) {
    const auto address = to_netlink(destination, destination.width());
    rtnl_route* found = nullptr;
    if (rtnl_route_lookup(socket_->get(), address.get(), &found) < 0) return std::nullopt;
    const RouteHandle route{found};
    rtnl_nexthop* next_hop = rtnl_route_nexthop_n(found, 0);
    if (next_hop == nullptr) return std::nullopt;
    return rtnl_route_nh_get_ifindex(next_hop);
}

std::set<int> Netlink::default_route_interfaces() {
    std::set<int> interfaces;
    socket_->each_route([&](rtnl_route* route) {
        const nl_addr* to = rtnl_route_get_dst(route);
        if (to != nullptr && nl_addr_get_prefixlen(to) != 0) return;
        if (rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST) return;
        for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i)
            interfaces.insert(rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)));
    });
    interfaces.erase(0);
    return interfaces;
}

bool Netlink::forwards(bool v6) {
    nl_cache* settings = nullptr;
    check(rtnl_netconf_alloc_cache(socket_->get(), &settings), "ask whether the kernel forwards");
    const CacheHandle owner{settings};
    const NetconfHandle all{rtnl_netconf_get_all(settings, v6 ? AF_INET6 : AF_INET)};
    int forwarding = 0;
    return all && rtnl_netconf_get_forwarding(all.get(), &forwarding) == 0 && forwarding != 0;
}

bool Netlink::add_route(const ViaRoute& wanted, const std::string& name) {
    const auto link = socket_->require(name);
    const auto route = device_route(wanted.to, rtnl_link_get_ifindex(link.get()));
    if (wanted.via) {
        rtnl_nexthop* next_hop = rtnl_route_nexthop_n(route.get(), 0);
        rtnl_route_nh_set_gateway(next_hop, to_netlink(*wanted.via, wanted.via->width()).get());
        if (wanted.via_is_on_link) rtnl_route_nh_set_flags(next_hop, RTNH_F_ONLINK);
        rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
    }
    if (wanted.scope) rtnl_route_set_scope(route.get(), *wanted.scope);
    if (wanted.table) rtnl_route_set_table(route.get(), *wanted.table);
    if (wanted.priority != 0) rtnl_route_set_priority(route.get(), wanted.priority);
    if (wanted.mtu != 0) rtnl_route_set_metric(route.get(), RTAX_MTU, wanted.mtu);
    if (wanted.advertised_mss != 0) rtnl_route_set_metric(route.get(), RTAX_ADVMSS, wanted.advertised_mss);
    const int added = rtnl_route_add(socket_->get(), route.get(), NLM_F_EXCL);
    if (added == -NLE_EXIST) return false;
    check(added, "add the route to " + wanted.to.network().to_string() + " through " + name +
                     (wanted.via ? " via " + wanted.via->to_string() : ""));
    return true;
}

std::vector<Netlink::ViaRoute> Netlink::routes(const std::string& name) {
    const int index = rtnl_link_get_ifindex(socket_->require(name).get());
    std::vector<ViaRoute> found;
    socket_->each_route([&](rtnl_route* route) {
        if (rtnl_route_get_table(route) == RT_TABLE_LOCAL || rtnl_route_get_type(route) != RTN_UNICAST)
            return;
        for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
            rtnl_nexthop* next_hop = rtnl_route_nexthop_n(route, i);
            if (rtnl_route_nh_get_ifindex(next_hop) != index) continue;
            ViaRoute entry;
            if (rtnl_route_get_family(route) == AF_INET6) entry.to.address = IpAddress::v6({});
            if (const nl_addr* to = rtnl_route_get_dst(route); to != nullptr && nl_addr_get_len(to) != 0)
                entry.to.address = from_netlink(to).value_or(entry.to.address);
            if (const nl_addr* to = rtnl_route_get_dst(route))
                entry.to.length = static_cast<std::uint8_t>(nl_addr_get_prefixlen(to));
            if (const nl_addr* via = rtnl_route_nh_get_gateway(next_hop)) entry.via = from_netlink(via);
            entry.table = rtnl_route_get_table(route);
            entry.priority = rtnl_route_get_priority(route);
            found.push_back(entry);
        }
    });
    return found;
}

std::vector<Prefix> Netlink::addresses(const std::string& name) {
    const int index = rtnl_link_get_ifindex(socket_->require(name).get());
    nl_cache* listed = nullptr;
    check(rtnl_addr_alloc_cache(socket_->get(), &listed), "list the addresses of " + name);
    const CacheHandle cache{listed};
    std::vector<Prefix> found;
    for (nl_object* object = nl_cache_get_first(listed); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* entry = reinterpret_cast<rtnl_addr*>(object);
        const nl_addr* local = rtnl_addr_get_local(entry);
        if (rtnl_addr_get_ifindex(entry) != index || local == nullptr) continue;
        if (const auto address = from_netlink(local))
            found.push_back({*address, static_cast<std::uint8_t>(rtnl_addr_get_prefixlen(entry))});
    }
    return found;
}

std::optional<std::string> Netlink::name(int index) {
    const auto link = socket_->find(index, nullptr);
    const char* const name = link ? rtnl_link_get_name(link.get()) : nullptr;
    return name != nullptr ? std::optional<std::string>{name} : std::nullopt;
}

}  // namespace weft
