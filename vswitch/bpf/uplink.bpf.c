/* What the kernel does with a frame that arrives at an uplink, before anything else: what comes from a denied
 * source and is for weft is dropped and counted for the longest denied prefix that has the source. All else
 * passes. vswitch/early_drop.h says what that is for, uplink_layout.h what the maps are.
 *
 * "For weft" is UDP over IPv4 or IPv6 to one of `endpoints`, behind at most two VLAN tags. So a denied prefix
 * never cuts off the host's ssh, its pings or another's UDP. What has no ports where they should be passes,
 * for the daemon to decide: fragments, also the first of them (the kernel would wait for it, and keep the
 * others meanwhile), and IPv6 with extension headers.
 *
 * Runs with soft interrupts off, so nothing else on this CPU counts at the same time.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vswitch/bpf/uplink_layout.h"

char program_license[] SEC("license") = "Dual BSD/GPL";

/* The sizes of maps are set when they are loaded. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct early_key4);
    __type(value, __u32);
} denied4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct early_key6);
    __type(value, __u32);
} denied6 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct early_count);
} drops SEC(".maps");

/* What goes on with frames that may pass; nothing by itself. */
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} next SEC(".maps");

const volatile __u32 slots = 1;
const volatile struct early_endpoint endpoints[early_endpoints];

enum { most_tags = 2, ipv4_header = 20, ipv4_fragment = 0x3FFF };

struct vlan_tag {
    __be16 control;
    __be16 type;
};

static __always_inline bool is_for_weft(enum early_family family, const __be32* address, __be16 port) {
#pragma unroll
    for (unsigned i = 0; i < early_endpoints; i++) {
        const volatile struct early_endpoint* endpoint = &endpoints[i];
        if (endpoint->port != port || !(endpoint->families & family)) continue;
        __be32 any = endpoint->address[0];
        __be32 difference = endpoint->address[0] ^ address[0];
        if (family == early_ipv6) {
#pragma unroll
            for (unsigned word = 1; word < 4; word++) {
                any |= endpoint->address[word];
                difference |= endpoint->address[word] ^ address[word];
            }
        }
        if (!any || !difference) return true;
    }
    return false;
}

/* The length that the header claims, if the packet has as much. */
static __always_inline void count(struct xdp_md* ctx, const void* packet, const struct udphdr* udp,
                                  __u32 slot) {
    __u32 index = bpf_get_smp_processor_id() * slots + slot;
    struct early_count* mine = bpf_map_lookup_elem(&drops, &index);
    if (!mine) return;
    __u64 claimed = bpf_ntohs(udp->len);
    __u64 there = bpf_xdp_get_buff_len(ctx) - (__u64)((const void*)udp - packet);
    __u64 size = claimed < there ? claimed : there;
    mine->packets++;
    if (size > sizeof(*udp)) mine->bytes += size - sizeof(*udp);
}

static __always_inline int ipv4(struct xdp_md* ctx, const void* packet, const struct iphdr* ip,
                                const void* end) {
    if ((const void*)(ip + 1) > end) return XDP_PASS;
    __u32 size = (*(const __u8*)ip & 0x0F) * 4;
    if (*(const __u8*)ip >> 4 != 4 || size < ipv4_header) return XDP_PASS;
    if (ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(ipv4_fragment)) return XDP_PASS;
    const struct udphdr* udp = (const void*)ip + size;
    if ((const void*)(udp + 1) > end || !is_for_weft(early_ipv4, &ip->daddr, udp->dest)) return XDP_PASS;
    struct early_key4 key = {.length = 32, .address = ip->saddr};
    const __u32* slot = bpf_map_lookup_elem(&denied4, &key);
    if (!slot) return XDP_PASS;
    count(ctx, packet, udp, *slot);
    return XDP_DROP;
}

static __always_inline int ipv6(struct xdp_md* ctx, const void* packet, const struct ipv6hdr* ip,
                                const void* end) {
    const struct udphdr* udp = (const void*)(ip + 1);
    if ((const void*)(udp + 1) > end) return XDP_PASS;
    if (*(const __u8*)ip >> 4 != 6 || ip->nexthdr != IPPROTO_UDP) return XDP_PASS;
    if (!is_for_weft(early_ipv6, ip->daddr.in6_u.u6_addr32, udp->dest)) return XDP_PASS;
    struct early_key6 key = {.length = 128};
    __builtin_memcpy(key.address, &ip->saddr, sizeof(key.address));
    const __u32* slot = bpf_map_lookup_elem(&denied6, &key);
    if (!slot) return XDP_PASS;
    count(ctx, packet, udp, *slot);
    return XDP_DROP;
}

static __always_inline int pass(struct xdp_md* ctx) {
    bpf_tail_call(ctx, &next, 0);
    return XDP_PASS;
}

/* Of frames that are spread over several buffers the headers are in the first one, or the frame passes. */
SEC("xdp.frags")

int uplink_xdp(struct xdp_md* ctx) {
    const void* packet = (const void*)(long)ctx->data;
    const void* end = (const void*)(long)ctx->data_end;
    const struct ethhdr* ethernet = packet;
    if ((const void*)(ethernet + 1) > end) return XDP_PASS;
    __be16 type = ethernet->h_proto;
    const void* network = ethernet + 1;
#pragma unroll
    for (unsigned i = 0; i < most_tags; i++) {
        if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD)) break;
        const struct vlan_tag* tag = network;
        if ((const void*)(tag + 1) > end) return XDP_PASS;
        type = tag->type;
        network = tag + 1;
    }
    int verdict = XDP_PASS;
    if (type == bpf_htons(ETH_P_IP)) verdict = ipv4(ctx, packet, network, end);
    if (type == bpf_htons(ETH_P_IPV6)) verdict = ipv6(ctx, packet, network, end);
    return verdict == XDP_PASS ? pass(ctx) : verdict;
}
