#!/usr/bin/env python3
"""A station that changes its port all the time, under flows that the kernel carries.

    moving_station.py CHANGES C1 C2 C3 [CONTROL]

Opens packet sockets on eth0 of the three namespaces, so that it is all three stations. c1 sends probes of eight flows to a MAC
address that is now at c2, now at c3, and is answered from there. A change is a broadcast from the new port; it is acknowledged when
c1 has it, for then weft has learned from it; of a node with several workers, whose CONTROL socket is needed, when all know. No probe that is sent after that may come to the old port; all must come to the new
one. Prints what happened, and exits with 1 if one did.
"""

import ctypes
import json
import os
import random
import select
import socket
import struct
import sys
import time

MAC_C1 = bytes.fromhex("02000000a001")
MAC_MOVING = bytes.fromhex("02000000a0ff")
BROADCAST = b"\xff" * 6
FLOWS = 8
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace):
    with open(f"/run/netns/{namespace}", encoding="ascii") as handle:
        if LIBC.setns(handle.fileno(), 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def open_in(namespace):
    enter(namespace)
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    opened.bind(("eth0", 0))
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    opened.setblocking(False)
    return opened


class Control:
    """The node's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.workers = self.ask("status")["workers"]

    def ask(self, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.socket.sendall((json.dumps(request) + "\n").encode())
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def all_know(self):
        """Returns when all workers have been told what one of them has learned. Each answer has waited for all of them; the first
        question may overtake what one has to say on the control thread, the second cannot overtake what that tells the others."""
        for _ in range(2 if self.workers > 1 else 0):
            self.ask("status")


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def frame(destination, source, from_host, to_host, from_port, to_port, number):
    payload = struct.pack("!Q", number)
    def ip(total):
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, total,
                           bytes((10, 9, 0, from_host)), bytes((10, 9, 0, to_host)))
    udp = struct.pack("!HHHH", from_port, to_port, 8 + len(payload), 0)
    return destination + source + b"\x08\x00" + ip(checksum(ip(0))) + udp + payload


def numbers(opened, destination):
    """Of the probes that wait there."""
    found = []
    while True:
        try:
            data, address = opened.recvfrom(2048)
        except BlockingIOError:
            return found
        if address[2] == socket.PACKET_OUTGOING or len(data) < 50 or data[:6] != destination or data[12:14] != b"\x08\x00":
            continue
        if data[26:29] == b"\x0a\x09\x00":
            found.append(struct.unpack("!Q", data[42:50])[0])


class Test:
    def __init__(self, namespaces, control=None):
        self.control = Control(control) if control else None
        self.c1, *self.ports = [open_in(name) for name in namespaces]
        self.active = 0
        self.number = 0
        self.violations = 0
        self.lost = 0
        self.answered = 0  # and not seen at c1 yet

    def settle(self):
        """Waits until every answer is there: one that weft sees after a change would be a change back."""
        deadline = time.monotonic() + 0.5
        while self.answered > 0 and time.monotonic() < deadline:
            select.select([self.c1], [], [], 0.05)
            self.answered -= len(numbers(self.c1, MAC_C1))

    def probe(self, count):
        """Sends as many of each flow, has them answered, and returns the first and the last number."""
        first = self.number + 1
        for _ in range(count):
            for flow in range(FLOWS):
                self.number += 1
                self.c1.send(frame(MAC_MOVING, MAC_C1, 1, 2, 6000 + flow, 7000, self.number))
            for number in numbers(self.ports[self.active], MAC_MOVING):
                flow = (number - 1) % FLOWS
                self.ports[self.active].send(frame(MAC_C1, MAC_MOVING, 2, 1, 7000, 6000 + flow, number))
                self.answered += 1
            self.answered -= len(numbers(self.c1, MAC_C1))
        return first, self.number

    def move(self):
        """Returns when the change is acknowledged."""
        self.active = 1 - self.active
        self.number += 1
        self.ports[self.active].send(frame(BROADCAST, MAC_MOVING, 2, 255, 9, 9, self.number))
        deadline = time.monotonic() + 5
        while self.number not in numbers(self.c1, BROADCAST):
            if time.monotonic() > deadline:
                sys.exit("moving_station: a broadcast was lost")
            select.select([self.c1], [], [], 0.1)
        if self.control:
            self.control.all_know()

    def change(self):
        self.probe(random.choice((3, 10, 40)))
        self.settle()
        self.move()
        for opened in self.ports:
            numbers(opened, MAC_MOVING)
        first, _ = self.probe(4)
        time.sleep(0.002)
        self.violations += sum(1 for number in numbers(self.ports[1 - self.active], MAC_MOVING) if number >= first)

    def all_arrive(self):
        """What is sent in peace arrives whole."""
        time.sleep(0.01)
        numbers(self.ports[self.active], MAC_MOVING)
        first, last = self.number + 1, self.number + FLOWS
        for flow in range(FLOWS):
            self.c1.send(frame(MAC_MOVING, MAC_C1, 1, 2, 6000 + flow, 7000, first + flow))
        self.number = last
        deadline = time.monotonic() + 1
        missing = set(range(first, last + 1))
        while missing and time.monotonic() < deadline:
            select.select([self.ports[self.active]], [], [], 0.05)
            missing -= set(numbers(self.ports[self.active], MAC_MOVING))
        self.lost += len(missing)


def main():
    changes = int(sys.argv[1])
    random.seed(7)
    test = Test(sys.argv[2:5], *sys.argv[5:6])
    test.move()
    for n in range(changes):
        test.change()
        if n % 10 == 0:
            test.all_arrive()
    print(f"{changes} changes, {test.number} probes: {test.violations} came the old way, {test.lost} of those sent in peace were lost")
    return 1 if test.violations or test.lost else 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    sys.exit(main())
