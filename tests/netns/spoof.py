#!/usr/bin/env python3
"""What a container that is not to be trusted sends, out of its device's own network.

    spoof.py attack DEVICE OWN4 OWN6 GATEWAY-MAC GATEWAY4 GATEWAY6 VICTIM-MAC VICTIM4 VICTIM6
    spoof.py flow DEVICE OWN4 GATEWAY-MAC GATEWAY4 VICTIM-MAC VICTIM4 SOURCE-PORT DESTINATION-PORT

`attack` poses as the gateway in every way, to the victim: each frame as it is, and once more in two priority tags, which receivers
look through. Prints for each name under which weft counts such frames how many they were. `flow` sends datagrams of a flow that is
there, then the same from the gateway's MAC address and from its IP address. All end with a marker: SPOOFED! or, of the flow's own, HONEST!!.
"""

import socket
import struct
import sys
import time

SPOOFED, HONEST = b"SPOOFED!", b"HONEST!!"
IPV4, ARP, IPV6, TAG = b"\x08\x00", b"\x08\x06", b"\x86\xdd", b"\x81\x00\0\0"
BROADCAST = b"\xff" * 6
NOBODY4, NOBODY6, ALL_NODES = bytes(4), bytes(16), socket.inet_pton(socket.AF_INET6, "ff02::1")


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def summed(source, target, protocol, at, data):
    """The transport's bytes with their checksum at `at`."""
    pseudo = source + target + struct.pack("!IBBBB", len(data), 0, 0, 0, protocol)
    return data[:at] + struct.pack("!H", checksum(pseudo + data) or 0xFFFF) + data[at + 2 :]


def ip(source, target, protocol, payload, fragment=0, hops=64):
    if len(source) == 16:
        if fragment:
            payload = struct.pack("!BBHI", protocol, 0, fragment, 7) + payload
            protocol = 44
        return IPV6 + struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + source + target + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, fragment, hops, protocol, 0) + source + target
    return IPV4 + header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def udp(source, target, source_port, target_port):
    data = struct.pack("!HHHH", source_port, target_port, 8 + 32, 0) + bytes(range(32))
    return ip(source, target, 17, summed(source, target, 17, 6, data))


def icmpv6(source, target, kind, body):
    return ip(source, target, 58, summed(source, target, 58, 2, bytes((kind, 0, 0, 0)) + body), hops=255)


def arp(operation, sender_mac, sender, target_mac, target):
    return ARP + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + sender_mac + sender + target_mac + target


def link_option(kind, link):
    return bytes((kind, 1)) + link


def solicited_node(target):
    return address("ff02::1:ff00:0")[:13] + target[13:]


def attacks(own_mac, own4, own6, gateway_mac, gateway4, gateway6, victim_mac, victim4, victim6):
    """(name of the drop, source MAC address, what follows the MAC addresses)."""
    local = b"\xfe\x80" + bytes(6) + bytes((own_mac[0] ^ 2,)) + own_mac[1:3] + b"\xff\xfe" + own_mac[3:]
    router = address("fe80::1")
    nd = lambda source, kind, body: ("spoofed_nd", own_mac, icmpv6(source, victim6, kind, bytes(4) + body))
    return [
        ("spoofed_mac", gateway_mac, udp(own4, victim4, 1000, 2000)),
        ("spoofed_mac", gateway_mac, arp(1, gateway_mac, gateway4, bytes(6), gateway4)),
        ("spoofed_mac", mac("02:66:66:66:66:66"), udp(own6, victim6, 1000, 2000)),
        ("spoofed_ip", own_mac, udp(gateway4, victim4, 1000, 2000)),
        ("spoofed_ip", own_mac, udp(gateway6, victim6, 1000, 2000)),
        ("spoofed_ip", own_mac, udp(router, victim6, 1000, 2000)),
        ("spoofed_ip", own_mac, ip(gateway4, victim4, 17, bytes(64), fragment=0x2000)),
        ("spoofed_ip", own_mac, ip(gateway4, victim4, 17, bytes(64), fragment=8)),
        ("spoofed_ip", own_mac, ip(gateway6, victim6, 17, bytes(64), fragment=64)),
        ("spoofed_arp", own_mac, arp(2, own_mac, gateway4, victim_mac, victim4)),
        ("spoofed_arp", own_mac, arp(1, own_mac, gateway4, bytes(6), victim4)),
        ("spoofed_arp", own_mac, arp(1, own_mac, gateway4, bytes(6), gateway4)),
        ("spoofed_arp", own_mac, arp(2, gateway_mac, own4, victim_mac, victim4)),
        ("spoofed_arp", own_mac, arp(1, own_mac, NOBODY4, bytes(6), victim4)),
        nd(gateway6, 136, gateway6 + link_option(2, own_mac)),
        nd(own6, 136, gateway6 + link_option(2, own_mac)),
        nd(local, 136, router + link_option(2, own_mac)),
        nd(own6, 136, own6 + link_option(2, gateway_mac)),
        nd(router, 135, victim6 + link_option(1, own_mac)),
        nd(own6, 135, victim6 + link_option(1, gateway_mac)),
        ("spoofed_nd", own_mac, icmpv6(NOBODY6, solicited_node(victim6), 135, bytes(4) + victim6)),
        ("router_advertisement", own_mac, icmpv6(local, ALL_NODES, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + link_option(1, own_mac))),
        ("router_advertisement", own_mac, icmpv6(router, ALL_NODES, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0))),
        ("router_advertisement", own_mac, icmpv6(router, victim6, 137, bytes(4) + own6 + gateway6)),
        ("dhcp_server", own_mac, udp(own4, address("255.255.255.255"), 67, 68)),
        ("dhcp_server", own_mac, udp(gateway4, victim4, 67, 68)),
        ("dhcp_server", own_mac, udp(local, victim6, 547, 546)),
        ("malformed", own_mac, ip(own6, ALL_NODES, 58, b"", fragment=1)),
    ]


def open_device(name):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.bind((name, 0))
    return opened



def attack(device, own4, own6, gateway_mac, gateway4, gateway6, victim_mac, victim4, victim6):
    out = open_device(device)
    victim_mac = mac(victim_mac)
    sent = {}
    for name, source, rest in attacks(out.getsockname()[4], address(own4), address(own6), mac(gateway_mac), address(gateway4),
                                      address(gateway6), victim_mac, address(victim4), address(victim6)):
        for tags in (b"", TAG + TAG):
            out.send(victim_mac + source + tags + rest + SPOOFED)
            sent[name] = sent.get(name, 0) + 1
            time.sleep(0.001)
    for name, count in sent.items():
        print(name, count)


def flow(device, own4, gateway_mac, gateway4, victim_mac, victim4, source_port, target_port):
    out = open_device(device)
    own_mac, to = out.getsockname()[4], mac(victim_mac)
    honest = udp(address(own4), address(victim4), int(source_port), int(target_port))
    posed = udp(address(gateway4), address(victim4), int(source_port), int(target_port))
    for _ in range(50):
        out.send(to + own_mac + honest + HONEST)
        out.send(to + mac(gateway_mac) + honest + SPOOFED)
        out.send(to + own_mac + posed + SPOOFED)
        time.sleep(0.001)


if __name__ == "__main__":
    {"attack": attack, "flow": flow}[sys.argv[1]](*sys.argv[2:])
