#!/usr/bin/python3
"""Sends what no honest peer would: replays, bit flips, VXLAN from strangers. Runs in a namespace that can reach the victim.

    inject.py replay PCAP                 the UDP datagrams of a capture once more, with their own addresses
    inject.py flip PCAP                   each of its datagrams once for every bit of its payload, with that bit flipped
    inject.py original PCAP               the same as replay, for a capture whose datagrams never arrived
    inject.py vxlan --from A --to B --vni N [--flags F]   one VXLAN datagram with a broadcast frame in it
    inject.py garbage --to A:PORT COUNT   random datagrams of every length, some with a marker or a type byte

Prints how many datagrams were sent.
"""

import argparse
import random
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(source, target, source_port, target_port, payload):
    """An IPv4 packet; source and target are 4 bytes each."""
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload
    pseudo = source + target + struct.pack("!BBH", 0, 17, len(udp))
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, target) + udp


def read_pcap(path):
    """(source, target, source port, target port, payload) of each UDP datagram of an Ethernet capture."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    if struct.unpack(order + "I", data[20:24])[0] != 1:
        sys.exit(f"{path}: not a capture of Ethernet frames")
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack(order + "I", data[at + 8 : at + 12])[0]
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        if frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        ip = frame[14:]
        header = (ip[0] & 15) * 4
        source_port, target_port, length = struct.unpack("!HHH", ip[header : header + 6])
        yield ip[12:16], ip[16:20], source_port, target_port, ip[header + 8 : header + length]


class Sender:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.sent = 0

    def send(self, source, target, source_port, target_port, payload):
        packet = datagram(source, target, source_port, target_port, payload)
        self.socket.sendto(packet, (socket.inet_ntoa(target), 0))
        self.sent += 1
        if self.sent % 64 == 0:
            time.sleep(0.005)  # so that no receive buffer overflows: each of them is to be counted


def frame(source_mac=b"\x02\x66\x66\x66\x66\x66"):
    return b"\xff" * 6 + source_mac + b"\x08\x06" + b"\0\1\x08\0\6\4\0\1" + source_mac + bytes(4) + bytes(6) + bytes(4) + bytes(18)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("replay", "original", "flip"):
        commands.add_parser(name).add_argument("pcap")
    vxlan = commands.add_parser("vxlan")
    vxlan.add_argument("--from", dest="source", required=True)
    vxlan.add_argument("--to", dest="target", required=True)
    vxlan.add_argument("--vni", type=int, required=True)
    vxlan.add_argument("--flags", type=int, default=8)
    garbage = commands.add_parser("garbage")
    garbage.add_argument("--to", dest="target", required=True)
    garbage.add_argument("count", type=int)
    options = parser.parse_args()

    sender = Sender()
    if options.command in ("replay", "original"):
        for one in read_pcap(options.pcap):
            sender.send(*one)
    elif options.command == "flip":
        for source, target, source_port, target_port, payload in read_pcap(options.pcap):
            for bit in range(len(payload) * 8):
                flipped = bytearray(payload)
                flipped[bit // 8] ^= 0x80 >> bit % 8
                sender.send(source, target, source_port, target_port, bytes(flipped))
    elif options.command == "vxlan":
        header = struct.pack("!II", options.flags << 24, options.vni << 8)
        sender.send(socket.inet_aton(options.source), socket.inet_aton(options.target), 50000, 4789, header + frame())
    else:
        host, port = options.target.rsplit(":", 1)
        dice = random.Random(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            for number in range(options.count):
                body = dice.randbytes(number % 1400)
                start = [b"", bytes(4), bytes(4) + bytes([1 + number % 5]), b"\xff"][number % 4]
                plain.sendto(start + body, (host, int(port)))
                sender.sent += 1
                if number % 64 == 63:
                    time.sleep(0.005)
    print(sender.sent)


if __name__ == "__main__":
    main()
