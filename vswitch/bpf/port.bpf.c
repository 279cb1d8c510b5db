/* What the kernel does at a port before the daemon: it repeats, for packets of a flow that the daemon has
 * decided on, what the daemon would do, and leaves it all others. vswitch/fast_path.h says how the ports are
 * wired, layout.h what the maps are.
 *
 *   veth_ingress    what a container sends:   known -> its action; else -> the patch TAP, to the daemon
 *   patch_ingress   what the daemon answers:  patch TAP -> the container
 *   patch_egress    what this namespace's own stack sends by a patch TAP: nothing
 *   tap_egress      what this namespace sends by a TAP: known -> its action; else -> the daemon
 *   tun_egress      the same without Ethernet headers
 *
 * They run with soft interrupts off, so nothing else on this CPU counts at the same time.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
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
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} samples SEC(".maps");

volatile __u32 generations[fast_generations];
volatile __u8 ports_off[fast_ports];

const volatile __u32 slots = 1;
const volatile __u32 sample_every = 1;

enum { ethernet_header = 14, udp_header = 8, tcp_header = 20, ipv4_header = 20, ipv6_header = 40 };

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

/* Both return the size of the IP header, or 0: not a packet that may have a flow. `size` is all from there.
 */
static __always_inline __u32 read_ipv4(const struct iphdr* ip, const void* end, __u32 size,
                                       struct fast_flow_key* key) {
    if ((const void*)(ip + 1) > end) return 0;
    if (*(const __u8*)ip != 0x45) return 0;
    if (ip->frag_off & bpf_htons(0xBFFF)) return 0;
    __u32 total = bpf_ntohs(ip->tot_len);
    if (total > size || total < ipv4_header + udp_header) return 0;
    __builtin_memcpy(key->source, &ip->saddr, 4);
    __builtin_memset(key->source + 4, 0, 12);
    __builtin_memcpy(key->destination, &ip->daddr, 4);
    __builtin_memset(key->destination + 4, 0, 12);
    key->protocol = ip->protocol;
    return ipv4_header;
}

static __always_inline __u32 read_ipv6(const struct ipv6hdr* ip, const void* end, __u32 size,
                                       struct fast_flow_key* key) {
    if ((const void*)(ip + 1) > end) return 0;
    if (*(const __u8*)ip >> 4 != 6) return 0;
    __u32 payload = bpf_ntohs(ip->payload_len);
    if (payload + ipv6_header > size || payload < udp_header) return 0;
    __builtin_memcpy(key->source, &ip->saddr, 16);
    __builtin_memcpy(key->destination, &ip->daddr, 16);
    key->protocol = ip->nexthdr;
    return ipv6_header;
}

/* The size of the transport header, or 0. */
static __always_inline __u32 read_transport(const __u8* transport, const void* end,
                                            struct fast_flow_key* key) {
    __u32 size = udp_header;
    if ((const void*)(transport + udp_header) > end) return 0;
    if (key->protocol == IPPROTO_TCP) {
        if ((const void*)(transport + tcp_header) > end) return 0;
        if (transport[13] & tcp_fin_syn_rst) return 0;
        size = (transport[12] >> 4) * 4;
        if (size < tcp_header) return 0;
    } else if (key->protocol != IPPROTO_UDP) {
        return 0;
    }
    __builtin_memcpy(&key->source_port, transport, 4);
    return size;
}

/* The size of all headers, `link` being Ethernet's, or 0. */
static __always_inline __u32 read_key(struct __sk_buff* skb, const __u32 link, struct fast_flow_key* key) {
    const __u32 wanted = link + ipv6_header + tcp_header;
    if (skb->vlan_present) return 0;
    const long linear = (long)skb->data_end - (long)skb->data;
    if (linear < wanted && linear < skb->len && bpf_skb_pull_data(skb, skb->len < wanted ? skb->len : wanted))
        return 0;
    const void* data = (const void*)(long)skb->data;
    const void* end = (const void*)(long)skb->data_end;
    const void* network = data + link;
    if (link) {
        const struct ethhdr* ethernet = data;
        if ((const void*)(ethernet + 1) > end || ethernet->h_dest[0] & 1) return 0;
        __builtin_memcpy(key->macs, data, 12);
        key->ether_type = ethernet->h_proto;
    } else {
        __builtin_memset(key->macs, 0, 12);
        key->ether_type = (__be16)skb->protocol;
    }
    key->ifindex = skb->ifindex;
    key->zero = 0;

    __u32 size;
    if (key->ether_type == bpf_htons(ETH_P_IP)) {
        size = read_ipv4(network, end, skb->len - link, key);
    } else if (key->ether_type == bpf_htons(ETH_P_IPV6)) {
        size = read_ipv6(network, end, skb->len - link, key);
    } else {
        return 0;
    }
    if (!size) return 0;
    __u32 transport = read_transport(network + size, end, key);
    return transport ? link + size + transport : 0;
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
    __u32 difference = ports_off[action->in_port];
#pragma unroll
    for (unsigned i = 0; i < fast_dependencies; i++) {
        const volatile struct fast_dependency* dependency = &action->dependencies[i];
        difference |= generations[dependency->index & (fast_generations - 1)] ^ dependency->value;
    }
    return difference;
}

static __noinline int sample(struct __sk_buff* skb, struct fast_action* action, __u32 slot, __u64 verdict) {
    if (!action) return 0;
    struct fast_sample* sample = bpf_ringbuf_reserve(&samples, sizeof(*sample), 0);
    if (!sample) return 0;
    __u32 captured = skb->len;
    if (captured > fast_sample_bytes) captured = fast_sample_bytes;
    sample->slot = slot;
    sample->tag = action->tag;
    sample->verdict = verdict;
    sample->ifindex = skb->ifindex;
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

/* As on the wire: a super-frame is its segments, each with all headers. */
static __always_inline void count(struct __sk_buff* skb, __u32 headers, struct fast_action* action,
                                  __u32 slot, __u64 verdict) {
    __u32 index = bpf_get_smp_processor_id() * slots + slot;
    struct fast_count* mine = bpf_map_lookup_elem(&counts, &index);
    if (!mine) return;
    __u32 size = skb->len;
    __u32 segments = 1;
    if (skb->gso_size) {
        segments = skb->gso_segs;
        if (!segments) segments = (size - headers + skb->gso_size - 1) / skb->gso_size;
        if (!segments) segments = 1;
    }
    mine->packets += segments;
    mine->bytes += size + (__u64)(segments - 1) * headers;
    mine->last_seen = bpf_ktime_get_coarse_ns();
    if (mine->until_sample == 0 || !action->sampled) {
        mine->until_sample = sample_every;
        action->sampled = 1;
        sample(skb, action, slot, verdict);
    }
    mine->until_sample--;
}

static __always_inline int redirect(__u32 ifindex, __u32 how) {
    if (how == fast_redirect_peer) return (int)bpf_redirect_peer(ifindex, 0);
    return (int)bpf_redirect(ifindex, how == fast_redirect_ingress ? BPF_F_INGRESS : 0);
}

/* Does what the flow's action says and returns how it went on, or `missed`. */
static __always_inline int repeat(struct __sk_buff* skb, const __u32 link) {
    struct fast_flow_key key;
    __u32 headers = read_key(skb, link, &key);
    if (!headers) return miss(unsuitable);
    const __u32* found = bpf_map_lookup_elem(&flows, &key);
    if (!found) return miss(unknown);
    __u32 slot = *(const volatile __u32*)found;
    struct fast_action* action = bpf_map_lookup_elem(&actions, &slot);
    if (!action) return miss(unknown);

    __u64 verdict = *(volatile __u64*)&action->verdict;
    bool stale = is_stale(action);
    asm volatile("" ::: "memory");
    bool is_mine = is_key(&key, &action->key);
    asm volatile("" ::: "memory");
    if (!verdict || !is_mine) return miss(unknown);
    if (stale || *(volatile __u64*)&action->verdict != verdict) return miss(stale);
    __u32 largest = skb->gso_size ? headers - link + skb->gso_size : skb->len - link;
    if (largest > fast_verdict_mtu(verdict)) return miss(too_big);

    count(skb, headers, action, slot, verdict);
    if (fast_verdict_kind(verdict) == fast_to_port)
        return redirect((__u32)verdict, fast_verdict_redirect(verdict));
    return TC_ACT_SHOT;
}

/* Never to this namespace's own stack: whoever has no patch is being added or removed. */
static __always_inline int to_patch(struct __sk_buff* skb) {
    __u32 ifindex = skb->ifindex;
    const struct fast_patch* patch = bpf_map_lookup_elem(&patches, &ifindex);
    return patch ? redirect(patch->ifindex, patch->redirect) : TC_ACT_SHOT;
}

SEC("tc")

int veth_ingress(struct __sk_buff* skb) {
    int action = repeat(skb, ethernet_header);
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
    int action = repeat(skb, ethernet_header);
    return action == missed ? TC_ACT_UNSPEC : action;
}

SEC("tc")

int tun_egress(struct __sk_buff* skb) {
    int action = repeat(skb, 0);
    return action == missed ? TC_ACT_UNSPEC : action;
}
