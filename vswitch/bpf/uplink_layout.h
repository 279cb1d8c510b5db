/* What the BPF program uplink.bpf.c and early_drop.cpp share: the maps' keys and values. C, as the program
 * is. Addresses and ports are in network byte order, all else in host byte order.
 *
 *   denied4, denied6   LPM trie   prefix -> slot               who is denied
 *   drops              array      cpu * slots + slot -> early_count    what was dropped; mapped into the
 *                                                              daemon's memory
 *   .rodata            endpoints, slots                        what is weft's
 */
#ifndef WEFT_VSWITCH_BPF_UPLINK_LAYOUT_H
#define WEFT_VSWITCH_BPF_UPLINK_LAYOUT_H

#include <linux/types.h>

enum { early_endpoints = 2 };

enum early_family { early_ipv4 = 1, early_ipv6 = 2 };

struct early_key4 {
    __u32 length; /* bits */
    __be32 address;
};

struct early_key6 {
    __u32 length;
    __be32 address[4];
};

struct early_count {
    __u64 packets;
    __u64 bytes; /* of UDP's payload */
};

/* Where weft receives. */
struct early_endpoint {
    __be32 address[4]; /* IPv4: the first; all zero: every address */
    __be16 port;
    __u16 families; /* a sum of early_family; 0: there is no such endpoint */
};

#endif
