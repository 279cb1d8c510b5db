/* What the BPF programs (port.bpf.c) and fast_path.cpp share: the maps' keys and values. C, as the programs
 * are. All of it is in host byte order but what is copied from packets: addresses, ports and ether types.
 *
 *   flows     hash     fast_flow_key -> slot           who a packet is
 *   actions   array    slot -> fast_action             what is to be done; mapped into the daemon's memory
 *   counts    array    cpu * slots + slot -> fast_count    what was done; mapped, too
 *   misses    array    cpu -> fast_misses              why a packet was left to the daemon; mapped, too
 *   patches   hash     ifindex -> fast_patch           where a miss goes, and where from the daemon's answer
 *   tunnels   hash     fast_tunnel -> source           what comes from a peer, as key.ifindex of its flows
 *   next_hops array    number -> fast_next_hop         the outer addresses; mapped, too. A number that was
 *                                                      given to an action is not written again soon
 *   generations array  part -> fast_numbers            mapped, too: one store makes flows miss
 *   samples   array    part -> ring of fast_sample     for the self-check
 *   .bss               ports_off                       mapped, too
 *
 * The slots are divided into parts of equal size, each of which has an owner in the daemon, with generations
 * and samples of its own: an action has the number of its slot's part.
 *
 * The value of a hash is changed under the feet of who has looked it up: the kernel reuses an element at
 * once, for any other flow. So it is the slot only, and the action has its key again. The daemon takes the
 * verdict away, writes key, dependencies, verdict, in this order, and the program reads verdict,
 * dependencies, key, verdict: whatever it has read, if the key is the packet's and the verdict still the
 * same, it was the packet's action, and no older one with the dependencies of a newer.
 */
#ifndef WEFT_VSWITCH_BPF_LAYOUT_H
#define WEFT_VSWITCH_BPF_LAYOUT_H

#include <linux/types.h>

enum {
    fast_generations = 65536, /* a power of two */
    fast_ports = 65536,       /* every PortId */
    fast_dependencies = 4,
    fast_sample_bytes = 256,
    fast_ring_bytes = 1 << 18,
    fast_next_hops = 1024,
    fast_tunnels = 4096,
    fast_from_tunnel = 1U << 31, /* no device has such an index */
};

/* fast_encapsulate: VXLAN (RFC 7348) over IPv4, out by a device. What comes from a peer is decapsulated, and
 * goes to a port. */
enum fast_kind { fast_none, fast_to_port, fast_drop, fast_encapsulate };

/* With the kind. Routed: one hop less to live, and where it goes out with any, other MAC addresses. */
enum fast_flags { fast_routed = 0x80, fast_new_addresses = 0x40 };

/* How a packet gets to another device. A veth's other end in another namespace is reached from an ingress
 * hook only; whatever is not reached is dropped in silence, by the kernel. */
enum fast_redirect {
    fast_redirect_egress,  /* as if sent by it */
    fast_redirect_ingress, /* as if received by it: into this namespace's stack */
    fast_redirect_peer,    /* as if received by the other end of a veth */
};

struct fast_flow_key {
    __u32 ifindex; /* or a source */
    __u8 macs[12]; /* destination, source; zero if the device has no MAC addresses */
    __u8 source[16];
    __u8 destination[16]; /* IPv4: the first four bytes */
    __be16 source_port;
    __be16 destination_port;
    __be16 ether_type;
    __u8 protocol;
    __u8 zero;
} __attribute__((aligned(8)));

struct fast_dependency {
    __u32 index;
    __u32 value;
};

/* One word, as the verdict is. */
struct fast_encapsulation {
    __be32 vni; /* as in the header: in the upper 24 bits */
    __be16 source_port;
    __u16 next_hop;
} __attribute__((aligned(8)));

/* Two cache lines. */
struct fast_action {
    __u64 verdict; /* fast_verdict(); 0: there is no action */
    struct fast_dependency dependencies[fast_dependencies];
    __u16 in_port;
    __u16 part;
    __u32 sampled; /* the first packet was */
    struct fast_flow_key key;
    __u32 tag;          /* the daemon's */
    __u8 addresses[12]; /* destination, source */
    struct fast_encapsulation encapsulation;
};

struct fast_numbers {
    __u32 of[fast_generations];
};

struct fast_tunnel {
    __be32 source; /* of the outer header */
    __be32 destination;
    __be32 vni;
};

struct fast_next_hop {
    __be32 source;
    __be32 destination;
    __be16 port;
    __u16 room[3];
};

struct fast_count {
    __u64 packets;
    __u64 bytes;
    __u64 last_seen; /* CLOCK_MONOTONIC_COARSE, ns */
    __u64 until_sample;
};

struct fast_misses {
    __u64 unsuitable; /* not the kind of packet that may have a flow */
    __u64 unknown;    /* no flow */
    __u64 stale;      /* a dependency has changed, or the port is off */
    __u64 too_big;
    __u64 room[4]; /* to a cache line */
};

struct fast_patch {
    __u32 ifindex;
    __u32 redirect;
};

struct fast_sample {
    __u64 verdict; /* that was carried out */
    __u32 slot;
    __u32 tag;
    __u32 ifindex; /* where it came in: as in the flow's key */
    __u32 size;    /* of the packet: as it goes out, if it is encapsulated, and as it is inside */
    __u32 gso_size;
    __u32 captured; /* of its bytes */
    __u8 bytes[fast_sample_bytes];
};

/* One word, so that it is read and written whole. `mtu`: bytes without the Ethernet header. `ifindex`: where
 * it goes. */
static inline __u64 fast_verdict(__u32 kind, __u32 redirect, __u32 mtu, __u32 ifindex) {
    return (__u64)kind << 56 | (__u64)redirect << 48 | (__u64)mtu << 32 | ifindex;
}

static inline __u32 fast_verdict_kind(__u64 verdict) {
    return (__u32)(verdict >> 56) & 0x3FU;
}

static inline __u32 fast_verdict_flags(__u64 verdict) {
    return (__u32)(verdict >> 56) & 0xC0U;
}

static inline __u32 fast_verdict_redirect(__u64 verdict) {
    return (__u32)(verdict >> 48) & 0xFFU;
}

static inline __u32 fast_verdict_mtu(__u64 verdict) {
    return (__u32)(verdict >> 32) & 0xFFFFU;
}

#endif
