/* What the kernel does at a port before the daemon: it repeats, for packets of a flow that the daemon has
 * decided on, what the daemon would do, and leaves it all others. vswitch/fast_path.h says how the ports are
 * wired, layout.h what the maps are.
 *
 *   veth_ingress    what a container sends:   known -> its action; else -> the patch TAP, to the daemon
 *   patch_ingress   what the daemon answers:  patch TAP -> the container
 *   patch_egress    what this namespace's own stack sends by a patch TAP: nothing
 *   tap_egress      what this namespace sends by a TAP: known -> its action; else -> the daemon
 *   tun_egress      the same without Ethernet headers
 *   uplink_ingress  what comes from elsewhere: VXLAN of a known peer and flow -> its action, without VXLAN;
 *                   else -> this namespace's stack, and so to the daemon's socket
 *   uplink_unwrap   before it, in the driver (XDP): takes VXLAN off TCP
 *
 * They run with soft interrupts off, so nothing else on this CPU counts at the same time.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vswitch/bpf/layout.h"

char programs_license[] SEC("license") = "Dual BSD/GPL";

/* The sizes of maps are set when they are loaded. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct fast_flow_key);
    __type(value, __u32);
} flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fast_action);
} actions SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fast_count);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fast_misses);
} misses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, fast_ports);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct fast_patch);
} patches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, fast_tunnels);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct fast_tunnel);
    __type(value, __u32);
} tunnels SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, fast_next_hops);
    __type(key, __u32);
    __type(value, struct fast_next_hop);
} next_hops SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct fast_numbers);
} generations SEC(".maps");

struct ring {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, fast_ring_bytes);
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct ring);
} samples SEC(".maps");

volatile __u8 ports_off[fast_ports];

const volatile __u32 slots = 1;
const volatile __u32 sample_every = 1;
const volatile __be16 vxlan_port;

enum { ethernet_header = 14, udp_header = 8, tcp_header = 20, ipv4_header = 20, ipv6_header = 40 };

/* Of VXLAN over IPv4, in front of a frame. */
struct outer {
    struct ethhdr ethernet;
    struct iphdr ip;
    struct udphdr udp;
    __be32 flags;
    __be32 vni;
} __attribute__((packed));

enum { outer_headers = sizeof(struct outer), vxlan_has_vni = 0x08000000 };

/* BPF_F_ADJ_ROOM_DECAP_L3_*, which Debian 12's header does not have. */
enum { to_l3_ipv4 = 1 << 7, to_l3_ipv6 = 1 << 8 };

enum { tcp_fin_syn_rst = 0x07 };

/* Returned instead of a TC_ACT. */
enum { missed = -2 };

#define miss(reason)                                                       \
    ({                                                                     \
        __u32 cpu_ = bpf_get_smp_processor_id();                           \
        struct fast_misses* misses_ = bpf_map_lookup_elem(&misses, &cpu_); \
        if (misses_) misses_->reason++;                                    \
        missed;                                                            \
    })

/* Both return the size of the IP header, or 0: not a packet that may have a flow. `size` is all from there,
 * of which at most `padding` is behind the packet.
 */
static __always_inline __u32 read_ipv4(const struct iphdr* ip, const void* end, __u32 size, __u32 padding,
                                       struct fast_flow_key* key) {
    if ((const void*)(ip + 1) > end) return 0;
    if (*(const __u8*)ip != 0x45) return 0;
    if (ip->frag_off & bpf_htons(0xBFFF)) return 0;
    __u32 total = bpf_ntohs(ip->tot_len);
    if (total > size || size - total > padding || total < ipv4_header + udp_header) return 0;
    __builtin_memcpy(key->source, &ip->saddr, 4);
    __builtin_memset(key->source + 4, 0, 12);
    __builtin_memcpy(key->destination, &ip->daddr, 4);
    __builtin_memset(key->destination + 4, 0, 12);
    key->protocol = ip->protocol;
    return ipv4_header;
}

static __always_inline __u32 read_ipv6(const struct ipv6hdr* ip, const void* end, __u32 size, __u32 padding,
                                       struct fast_flow_key* key) {
    if ((const void*)(ip + 1) > end) return 0;
    if (*(const __u8*)ip >> 4 != 6) return 0;
    __u32 payload = bpf_ntohs(ip->payload_len);
    __u32 total = payload + ipv6_header;
    if (total > size || size - total > padding || payload < udp_header) return 0;
    __builtin_memcpy(key->source, &ip->saddr, 16);
    __builtin_memcpy(key->destination, &ip->daddr, 16);
    key->protocol = ip->nexthdr;
    return ipv6_header;
}

/* The size of the transport header, or 0. */
static __always_inline __u32 read_transport(const __u8* transport, const void* end, bool wants_checksum,
                                            struct fast_flow_key* key) {
    __u32 size = udp_header;
    if ((const void*)(transport + udp_header) > end) return 0;
    if (key->protocol == IPPROTO_TCP) {
        if ((const void*)(transport + tcp_header) > end) return 0;
        if (transport[13] & tcp_fin_syn_rst) return 0;
        size = (transport[12] >> 4) * 4;
        if (size < tcp_header) return 0;
    } else if (key->protocol != IPPROTO_UDP || (wants_checksum && !transport[6] && !transport[7])) {
        return 0;
    }
    __builtin_memcpy(&key->source_port, transport, 4);
    return size;
}

/* What does not have an outer header may have padding, of an Ethernet frame's least size or more. */
enum { any_padding = 0xFFFF };

/* The size of all headers, `link` being Ethernet's, or 0. `size` is that of the whole frame. */
static __always_inline __u32 read_headers(const void* frame, const void* end, __u32 size, __u32 padding,
                                          const __u32 link, bool wants_checksum, struct fast_flow_key* key) {
    const void* network = frame + link;
    if (link) {
        const struct ethhdr* ethernet = frame;
        if ((const void*)(ethernet + 1) > end || ethernet->h_dest[0] & 1) return 0;
        __builtin_memcpy(key->macs, frame, 12);
        key->ether_type = ethernet->h_proto;
    }
    key->zero = 0;

    __u32 ip;
    if (key->ether_type == bpf_htons(ETH_P_IP)) {
        ip = read_ipv4(network, end, size - link, padding, key);
    } else if (key->ether_type == bpf_htons(ETH_P_IPV6)) {
        ip = read_ipv6(network, end, size - link, padding, key);
    } else {
        return 0;
    }
    if (!ip) return 0;
    __u32 transport = read_transport(network + ip, end, wants_checksum, key);
    return transport ? link + ip + transport : 0;
}

/* The same of a packet, whose first `before` bytes are not looked at. */
static __always_inline __u32 read_key(struct __sk_buff* skb, const __u32 before, const __u32 link,
                                      struct fast_flow_key* key) {
    const __u32 wanted = before + link + ipv6_header + tcp_header;
    if (skb->vlan_present) return 0;
    const long linear = (long)skb->data_end - (long)skb->data;
    if (linear < wanted && linear < skb->len && bpf_skb_pull_data(skb, skb->len < wanted ? skb->len : wanted))
        return 0;
    const void* frame = (const void*)(long)skb->data + before;
    const void* end = (const void*)(long)skb->data_end;
    if (!link) {
        __builtin_memset(key->macs, 0, 12);
        key->ether_type = (__be16)skb->protocol;
    }
    return read_headers(frame, end, skb->len - before, before ? 0 : any_padding, link, before, key);
}

static __always_inline bool is_key(const struct fast_flow_key* a, const struct fast_flow_key* b) {
    const __u64* x = (const __u64*)a;
    const __u64* y = (const __u64*)b;
    __u64 difference = 0;
#pragma unroll
    for (unsigned i = 0; i < sizeof(*a) / sizeof(*x); i++) difference |= x[i] ^ y[i];
    return !difference;
}

static __always_inline bool is_stale(const struct fast_action* action) {
    const __u32 part = action->part;
    const volatile struct fast_numbers* generation = bpf_map_lookup_elem(&generations, &part);
    if (!generation) return true;
    __u32 difference = ports_off[action->in_port];
#pragma unroll
    for (unsigned i = 0; i < fast_dependencies; i++) {
        const volatile struct fast_dependency* dependency = &action->dependencies[i];
        difference |= generation->of[dependency->index & (fast_generations - 1)] ^ dependency->value;
    }
    return difference;
}

static __noinline int sample(struct __sk_buff* skb, struct fast_action* action, __u32 slot, __u64 verdict) {
    if (!action) return 0;
    const __u32 part = action->part;
    void* ring = bpf_map_lookup_elem(&samples, &part);
    if (!ring) return 0;
    struct fast_sample* sample = bpf_ringbuf_reserve(ring, sizeof(*sample), 0);
    if (!sample) return 0;
    __u32 captured = skb->len;
    if (captured > fast_sample_bytes) captured = fast_sample_bytes;
    sample->slot = slot;
    sample->tag = action->tag;
    sample->verdict = verdict;
    sample->ifindex = action->key.ifindex;
    sample->size = skb->len;
    sample->gso_size = skb->gso_size;
    sample->captured = captured;
    /* The same number, from 1 to 256, in words that every verifier understands and no compiler leaves out. */
    asm volatile("" : "+r"(captured));
    captured = ((captured - 1) & (fast_sample_bytes - 1)) + 1;
    if (bpf_skb_load_bytes(skb, 0, sample->bytes, captured)) {
        bpf_ringbuf_discard(sample, 0);
        return 0;
    }
    bpf_ringbuf_submit(sample, 0);
    return 1;
}

/* As on the wire: a super-frame is its segments, each with all headers. True: it is to be sampled. */
static __always_inline bool count(struct __sk_buff* skb, const __u32 before, __u32 headers,
                                  struct fast_action* action, __u32 slot) {
    __u32 index = bpf_get_smp_processor_id() * slots + slot;
    struct fast_count* mine = bpf_map_lookup_elem(&counts, &index);
    if (!mine) return false;
    __u32 size = skb->len - before;
    __u32 segments = 1;
    if (skb->gso_size) {
        segments = skb->gso_segs;
        if (!segments) segments = (size - headers + skb->gso_size - 1) / skb->gso_size;
        if (!segments) segments = 1;
    }
    mine->packets += segments;
    mine->bytes += size + (__u64)(segments - 1) * headers;
    mine->last_seen = bpf_ktime_get_coarse_ns();
    bool due = mine->until_sample == 0 || !action->sampled;
    if (due) {
        mine->until_sample = sample_every;
        action->sampled = 1;
    }
    mine->until_sample--;
    return due;
}

static __always_inline int redirect(__u32 ifindex, __u32 how) {
    if (how == fast_redirect_peer) return (int)bpf_redirect_peer(ifindex, 0);
    return (int)bpf_redirect(ifindex, how == fast_redirect_ingress ? BPF_F_INGRESS : 0);
}

static __always_inline __u16 folded(__u32 sum) {
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (__u16)~sum;
}

/* The frame goes into VXLAN: room behind its Ethernet header, which becomes the outer one, and is written
 * again at the end of the room. The kernel fills in the outer MAC addresses. False: the packet is as it was.
 */
static __always_inline bool encapsulate(struct __sk_buff* skb, const struct ethhdr* inner,
                                        const struct fast_encapsulation* how) {
    const __u64 room = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
                       BPF_F_ADJ_ROOM_ENCAP_L2(ethernet_header) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;

    struct {
        struct outer outer;
        struct ethhdr inner;
    } __attribute__((packed)) headers = {};

    const __u32 number = how->next_hop;
    const struct fast_next_hop* hop = bpf_map_lookup_elem(&next_hops, &number);
    if (!hop) return false;
    const __u32 size = skb->len + outer_headers - ethernet_header;
    headers.outer.ethernet.h_proto = bpf_htons(ETH_P_IP);
    headers.outer.ip.version = 4;
    headers.outer.ip.ihl = ipv4_header / 4;
    headers.outer.ip.tot_len = bpf_htons((__u16)size);
    headers.outer.ip.id = (__be16)bpf_get_prandom_u32();
    headers.outer.ip.ttl = 64;
    headers.outer.ip.protocol = IPPROTO_UDP;
    headers.outer.ip.saddr = hop->source;
    headers.outer.ip.daddr = hop->destination;
    headers.outer.udp.source = how->source_port;
    headers.outer.udp.dest = hop->port;
    headers.outer.udp.len = bpf_htons((__u16)(size - ipv4_header));
    headers.outer.flags = bpf_htonl(vxlan_has_vni);
    headers.outer.vni = how->vni;
    headers.inner = *inner;
    __u32 sum =
        bpf_htons(0x4500) + headers.outer.ip.tot_len + headers.outer.ip.id + bpf_htons(64 << 8 | IPPROTO_UDP);
    sum += (hop->source & 0xFFFF) + (hop->source >> 16);
    sum += (hop->destination & 0xFFFF) + (hop->destination >> 16);
    headers.outer.ip.check = folded(sum);
    if (bpf_skb_adjust_room(skb, outer_headers, BPF_ADJ_ROOM_MAC, room)) return false;
    return !bpf_skb_store_bytes(skb, 0, &headers, sizeof(headers), 0);
}

/* Out of VXLAN again: what is between the two Ethernet headers goes. Kernels before 6.3 do not know how a
 * packet becomes IPv6 by that. False: the packet is as it was. */
static __always_inline bool decapsulate(struct __sk_buff* skb, const struct ethhdr* inner) {
    const bool is_v4 = inner->h_proto == bpf_htons(ETH_P_IP);
    const __u64 to_ip = is_v4 ? to_l3_ipv4 : to_l3_ipv6;
    if (bpf_skb_adjust_room(skb, -outer_headers, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | to_ip)) {
        if (!is_v4 || bpf_skb_adjust_room(skb, -outer_headers, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
            return false;
    }
    return !bpf_skb_store_bytes(skb, 0, inner, sizeof(*inner), 0);
}

enum { ttl_and_protocol = 8, header_checksum = 10, hop_limit = 7 };

/* Of the IP header at `network`. Without any left the router has something to say. */
static __always_inline bool has_hop(struct __sk_buff* skb, __u32 network, bool is_v4) {
    __u8 hops = 0;
    return !bpf_skb_load_bytes(skb, network + (is_v4 ? ttl_and_protocol : hop_limit), &hops, 1) && hops > 1;
}

static __always_inline bool take_hop(struct __sk_buff* skb, __u32 network, bool is_v4) {
    __u8 hops = 0;
    const __u32 at = network + (is_v4 ? ttl_and_protocol : hop_limit);
    if (bpf_skb_load_bytes(skb, at, &hops, 1)) return false;
    __u8 fewer = hops - 1;
    if (is_v4 && bpf_l3_csum_replace(skb, network + header_checksum, bpf_htons((__u16)(hops << 8)),
                                     bpf_htons((__u16)(fewer << 8)), 2))
        return false;
    /* IPv4's header sums up to the same as before. */
    return !bpf_skb_store_bytes(skb, at, &fewer, 1, is_v4 ? 0 : BPF_F_RECOMPUTE_CSUM);
}

/* What the device sends whole, now. */
static __always_inline bool fits(struct __sk_buff* skb, __u32 ifindex, __u32 size) {
    __u32 mtu = size;
    bpf_check_mtu(skb, ifindex, &mtu, 0, 0);
    return size <= mtu && skb->len + outer_headers - ethernet_header <= 0xFFFF;
}

/* Does what the flow's action says and returns how it went on, or `missed`. Of a packet from a peer, `before`
 * is what VXLAN has put before the frame, and `source` the peer. */
static __always_inline int repeat(struct __sk_buff* skb, const __u32 before, const __u32 link, __u32 source) {
    struct fast_flow_key key;
    key.ifindex = source;
    __u32 headers = read_key(skb, before, link, &key);
    if (!headers) return miss(unsuitable);
    const __u32* found = bpf_map_lookup_elem(&flows, &key);
    if (!found) return miss(unknown);
    __u32 slot = *(const volatile __u32*)found;
    struct fast_action* action = bpf_map_lookup_elem(&actions, &slot);
    if (!action) return miss(unknown);

    __u64 verdict = *(volatile __u64*)&action->verdict;
    bool stale = is_stale(action);

    union {
        __u64 word;
        struct fast_encapsulation how;
    } encapsulation = {.word = *(volatile __u64*)&action->encapsulation};

    struct ethhdr ethernet = {.h_proto = key.ether_type};
    __builtin_memcpy(&ethernet, key.macs, 12);
    if (fast_verdict_flags(verdict) & fast_new_addresses) __builtin_memcpy(&ethernet, action->addresses, 12);
    asm volatile("" ::: "memory");
    bool is_mine = is_key(&key, &action->key);
    asm volatile("" ::: "memory");
    if (!verdict || !is_mine) return miss(unknown);
    if (stale || *(volatile __u64*)&action->verdict != verdict) return miss(stale);
    __u32 largest = skb->gso_size ? headers - link + skb->gso_size : skb->len - before - link;
    if (largest > fast_verdict_mtu(verdict)) return miss(too_big);
    const __u32 kind = fast_verdict_kind(verdict);
    const __u32 ifindex = (__u32)verdict;

    const __u32 flags = fast_verdict_flags(verdict);
    if (!before && kind == fast_encapsulate && !fits(skb, ifindex, largest + outer_headers))
        return miss(too_big);
    const bool is_v4 = key.ether_type == bpf_htons(ETH_P_IP);
    if (flags & fast_routed && !has_hop(skb, before + link, is_v4)) return miss(unsuitable);
    if (before && !decapsulate(skb, &ethernet)) return miss(unsuitable);
    if (flags & fast_routed && !take_hop(skb, link, is_v4)) return TC_ACT_SHOT;
    __u32 counted = 0; /* of the packet, more than came in */
    if (!before && flags & fast_new_addresses) {
        if (!link) {
            if (bpf_skb_change_head(skb, ethernet_header, 0)) return TC_ACT_SHOT;
            counted = ethernet_header;
        }
        if (bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0)) return TC_ACT_SHOT;
    }
    if (!before && kind == fast_encapsulate) {
        if (!encapsulate(skb, &ethernet, &encapsulation.how)) return TC_ACT_SHOT;
        if (count(skb, counted + outer_headers, headers, action, slot)) sample(skb, action, slot, verdict);
        return (int)bpf_redirect_neigh(ifindex, 0, 0, 0);
    }
    if (count(skb, counted, headers, action, slot)) sample(skb, action, slot, verdict);
    if (kind == fast_to_port) return redirect(ifindex, fast_verdict_redirect(verdict));
    return TC_ACT_SHOT;
}

/* The source that a VXLAN packet to this host comes from; 0: it is none, or of nobody who has flows. `size`
 * is that of the whole frame. Its UDP checksum is not looked at: what it covers is compared with the flow's
 * key, or has the inner packet's own, which must be there. */
static __always_inline __u32 read_tunnel(const struct outer* outer, const void* end, __u32 size) {
    if ((const void*)(outer + 1) > end || outer->ethernet.h_proto != bpf_htons(ETH_P_IP)) return 0;
    if (*(const __u8*)&outer->ip != 0x45 || outer->ip.frag_off & bpf_htons(0xBFFF)) return 0;
    if (outer->ip.protocol != IPPROTO_UDP || outer->udp.dest != vxlan_port) return 0;
    size -= ethernet_header;
    if (bpf_ntohs(outer->ip.tot_len) != size || bpf_ntohs(outer->udp.len) != size - ipv4_header) return 0;
    if (!(outer->flags & bpf_htonl(vxlan_has_vni))) return 0;
    struct fast_tunnel tunnel = {
        .source = outer->ip.saddr, .destination = outer->ip.daddr, .vni = outer->vni & bpf_htonl(0xFFFFFF00)};
    const __u32* source = bpf_map_lookup_elem(&tunnels, &tunnel);
    return source ? *source : 0;
}

static __always_inline __u32 tunnel_of(struct __sk_buff* skb) {
    if (!vxlan_port || skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type || skb->vlan_present) return 0;
    if (skb->len <= outer_headers + ethernet_header) return 0;
    if ((long)skb->data_end - (long)skb->data < outer_headers && bpf_skb_pull_data(skb, outer_headers))
        return 0;
    return read_tunnel((const void*)(long)skb->data, (const void*)(long)skb->data_end, skb->len);
}

/* Never to this namespace's own stack: whoever has no patch is being added or removed. */
static __always_inline int to_patch(struct __sk_buff* skb) {
    __u32 ifindex = skb->ifindex;
    const struct fast_patch* patch = bpf_map_lookup_elem(&patches, &ifindex);
    return patch ? redirect(patch->ifindex, patch->redirect) : TC_ACT_SHOT;
}

SEC("tc")

int veth_ingress(struct __sk_buff* skb) {
    int action = repeat(skb, 0, ethernet_header, skb->ifindex);
    return action == missed ? to_patch(skb) : action;
}

SEC("tc")

int patch_ingress(struct __sk_buff* skb) {
    return to_patch(skb);
}

/* What was redirected here was received by another device first. */
SEC("tc")

int patch_egress(struct __sk_buff* skb) {
    return skb->ingress_ifindex ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")

int tap_egress(struct __sk_buff* skb) {
    int action = repeat(skb, 0, ethernet_header, skb->ifindex);
    return action == missed ? TC_ACT_UNSPEC : action;
}

SEC("tc")

int tun_egress(struct __sk_buff* skb) {
    int action = repeat(skb, 0, 0, skb->ifindex);
    return action == missed ? TC_ACT_UNSPEC : action;
}

/* Between the two programs at an uplink, as the packet's metadata: it is unwrapped already. */
struct unwrapped {
    __u32 is_unwrapped;
    __u32 source;
};

enum { unwrapped_mark = 0x77656674 };

/* TCP of a flow is taken out of VXLAN before the kernel makes a packet of it, so that it can merge what
 * belongs together (GRO); uplink_ingress does the rest. Of what changes in between, packets are lost. */
SEC("xdp.frags")

int uplink_unwrap(struct xdp_md* ctx) {
    const void* data = (const void*)(long)ctx->data;
    const void* end = (const void*)(long)ctx->data_end;
    const __u32 size = bpf_xdp_get_buff_len(ctx);
    const __u32 wanted = outer_headers + ethernet_header + ipv4_header + tcp_header;
    if (!vxlan_port || size < wanted || data + wanted > end) return XDP_PASS;
    struct fast_flow_key key;
    key.ifindex = read_tunnel(data, end, size);
    if (!key.ifindex) return XDP_PASS;
    const void* inner = data + outer_headers;
    const __u32 headers = read_headers(inner, end, size - outer_headers, 0, ethernet_header, true, &key);
    if (!headers || key.protocol != IPPROTO_TCP) return XDP_PASS;
    const __u32* found = bpf_map_lookup_elem(&flows, &key);
    if (!found) return XDP_PASS;
    __u32 slot = *(const volatile __u32*)found;
    struct fast_action* action = bpf_map_lookup_elem(&actions, &slot);
    if (!action || is_stale(action) || !is_key(&key, &action->key)) return XDP_PASS;
    const __u64 verdict = *(volatile __u64*)&action->verdict;
    if (!verdict || size - outer_headers - ethernet_header > fast_verdict_mtu(verdict)) return XDP_PASS;
    const __u8* hops = inner + ethernet_header + (key.ether_type == bpf_htons(ETH_P_IP) ? 8 : 7);
    if ((const void*)(hops + 1) > end || *hops <= 1) return XDP_PASS;

    if (bpf_xdp_adjust_head(ctx, outer_headers)) return XDP_PASS;
    if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct unwrapped))) return XDP_DROP;
    struct unwrapped* meta = (void*)(long)ctx->data_meta;
    if ((void*)(meta + 1) > (void*)(long)ctx->data) return XDP_DROP;
    meta->is_unwrapped = unwrapped_mark;
    meta->source = key.ifindex;
    return XDP_PASS;
}

SEC("tc")

int uplink_ingress(struct __sk_buff* skb) {
    const struct unwrapped* meta = (const void*)(long)skb->data_meta;
    if ((const void*)(meta + 1) <= (const void*)(long)skb->data && meta->is_unwrapped == unwrapped_mark) {
        const __u32 from = meta->source;
        bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
        int done = repeat(skb, 0, ethernet_header, from);
        return done == missed ? TC_ACT_SHOT : done;
    }
    __u32 source = tunnel_of(skb);
    int action = source ? repeat(skb, outer_headers, ethernet_header, source) : missed;
    return action == missed ? TC_ACT_UNSPEC : action;
}
