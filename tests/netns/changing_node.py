#!/usr/bin/env python3
"""A node whose configuration changes all the time, under flows that the kernel carries.

    changing_node.py CHANGES CONTROL NODE-TOML C1 C2 C3 C4 REMOTE

c1 sends probes of eight flows to a station that is at c2, at c3, or behind a plain peer in REMOTE, and is answered from there. c1's
own stack and c4, on a bridge of its own, send each other datagrams by way of the gateways (routed_probes.py). A change is one of: the
station moves (acknowledged when c1 has its broadcast and all workers know); c2's or c3's VLAN; their port goes or comes back; the plain
peer is stretched to the bridge or not; it has another address; the address of c1's stack becomes a prefix of another peer, the last
section of NODE-TOML, or is none any more. All but the first are made by the control method `apply`, and acknowledged by its answer.
No probe that is sent after that may come to where it must not go any more; while the prefix is the peer's, no routed one may come at
all, and otherwise each must. Prints what happened, and exits with 1 if it was not so, or if the kernel had less than half of the
routed flows when they were forbidden, if there is a fast path.
"""

import random
import select
import socket
import struct
import sys
import time

from moving_station import BROADCAST, FLOWS, MAC_C1, MAC_MOVING, Control, enter, frame, numbers, open_in
from routed_probes import NEAR, RoutedProbes

NODE, PEERS, PORT = "192.0.2.1", ("192.0.2.2", "192.0.2.3"), 4789
VXLAN = struct.pack("!II", 0x08000000, 100 << 8)


class Remote:
    """The peer, at both of its addresses."""

    def __init__(self, namespace):
        enter(namespace)
        self.sockets = []
        for address in PEERS:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            opened.bind((address, PORT))
            opened.setblocking(False)
            self.sockets.append(opened)

    def numbers(self, which):
        found = []
        while True:
            try:
                data = self.sockets[which].recv(2048)
            except BlockingIOError:
                return found
            inner = data[8:]
            if len(inner) >= 50 and inner[:6] == MAC_MOVING and inner[26:29] == b"\x0a\x09\x00":
                found.append(struct.unpack("!Q", inner[42:50])[0])

    def send(self, which, data):
        self.sockets[which].sendto(VXLAN + data, (NODE, PORT))


class Test:
    def __init__(self, control, node, namespaces):
        self.node = node
        self.remote = Remote(namespaces[4])
        self.control = Control(control)
        self.routed = RoutedProbes(namespaces[0], namespaces[3], self.control)
        self.names = namespaces[:3]
        self.c1, c2, c3 = [open_in(name) for name in self.names]
        self.ports = {"c2": c2, "c3": c3}
        self.vlan = {"c2": False, "c3": False}
        self.there = {"c2": True, "c3": True}
        self.stretched, self.address = True, 0
        self.forbidden = False
        self.flows_forbidden = self.of_these_in_kernel = 0
        self.active = "c2"
        self.number = self.violations = self.lost = 0
        self.made = {}

    def toml(self):
        text = self.node + (f'prefixes = ["{NEAR}/32"]\n' if self.forbidden else "")
        text += '\n[[bridge]]\nname = "lan"\nvni = 100\ngateway = ["10.7.0.254/24"]\n'
        for name, namespace in zip(("c1", "c2", "c3"), self.names):
            if not self.there.get(name, True):
                continue
            text += f'\n[[port]]\nname = "{name}"\ntype = "veth"\ndevice = "eth0"\nnetns = "{namespace}"\nbridge = "lan"\n'
            text += "vlan = 10\n" if self.vlan.get(name, False) else ""
        bridges = '["lan"]' if self.stretched else "[]"
        return text + f'\n[[peer]]\nname = "remote"\nencryption = "none"\nendpoint = "{PEERS[self.address]}:{PORT}"\nbridges = {bridges}\n'

    def places(self):
        return [name for name, is_there in self.there.items() if is_there] + ["peer0", "peer1"]

    def may_receive(self, place):
        if place.startswith("peer"):
            return self.stretched and self.address == int(place[-1])
        return self.there[place] and not self.vlan[place]

    def arrived(self, place):
        return self.remote.numbers(int(place[-1])) if place.startswith("peer") else numbers(self.ports[place], MAC_MOVING)

    def send_from(self, place, data):
        if place.startswith("peer"):
            self.remote.send(int(place[-1]), data)
        else:
            self.ports[place].send(data)

    def probe(self, count):
        first = self.number + 1
        for _ in range(count):
            for flow in range(FLOWS):
                self.number += 1
                self.c1.send(frame(MAC_MOVING, MAC_C1, 1, 2, 6000 + flow, 7000, self.number))
            if not self.may_receive(self.active):
                continue
            for number in self.arrived(self.active):
                self.send_from(self.active, frame(MAC_C1, MAC_MOVING, 2, 1, 7000, 6000 + (number - 1) % FLOWS, number))
        return first

    def settle(self):
        """What is under way has come to rest: an answer that weft sees after a change would be a change back."""
        quiet = time.monotonic() + 0.01
        while time.monotonic() < quiet:
            if numbers(self.c1, MAC_C1):
                quiet = time.monotonic() + 0.01
            select.select([self.c1], [], [], 0.005)

    def announce(self):
        """The station says where it is; returns when c1 has heard it, and all workers know."""
        self.number += 1
        deadline = time.monotonic() + 5
        data = frame(BROADCAST, MAC_MOVING, 2, 255, 9, 9, self.number)
        self.send_from(self.active, data)
        while self.number not in numbers(self.c1, BROADCAST):
            if time.monotonic() > deadline:
                sys.exit(f"changing_node: a broadcast from {self.active} was lost")
            select.select([self.c1], [], [], 0.1)
        self.control.all_know()

    def move(self):
        reachable = [place for place in self.places() if self.may_receive(place) and place != self.active]
        if not reachable:
            return False
        self.active = random.choice(reachable)
        self.announce()
        return True

    def reconfigure(self, kind):
        name = random.choice(("c2", "c3"))
        if kind == "vlan":
            self.vlan[name] = not self.vlan[name]
        elif kind == "port":
            self.there[name] = not self.there[name]
        elif kind == "bridges":
            self.stretched = not self.stretched
        elif kind == "prefix":
            self.forbidden = not self.forbidden
        else:
            self.address = 1 - self.address
        self.control.ask("apply", text=self.toml())
        if kind == "port":
            self.ports[name].close()
            if self.there[name]:
                self.ports[name] = open_in(self.names[1 if name == "c2" else 2])
        return True

    def change(self):
        if not self.may_receive(self.active):
            if not self.move():
                self.stretched = True
                self.reconfigure("address")
                self.move()
        self.probe(random.choice((3, 10, 40)))
        self.settle()
        kind = random.choice(("move", "move", "vlan", "port", "bridges", "address", "prefix"))
        if kind == "prefix" and not self.forbidden:
            self.lost += self.routed.missing(self.routed.send(40))
            self.of_these_in_kernel += self.routed.in_kernel()
            self.flows_forbidden += self.routed.flows
        done = self.move() if kind == "move" else self.reconfigure(kind)
        self.made[kind] = self.made.get(kind, 0) + done
        for place in self.places():
            self.arrived(place)
        first = self.probe(4)
        first_routed = self.routed.send(4)
        time.sleep(0.003)
        for place in self.places():
            if not self.may_receive(place) or (kind == "move" and place != self.active):
                self.violations += sum(1 for number in self.arrived(place) if number >= first)
        if self.forbidden:
            self.violations += self.routed.arrived(first_routed)
        else:
            self.lost += self.routed.missing(first_routed)

    def all_arrive(self):
        if not self.may_receive(self.active):
            return
        self.announce()
        self.arrived(self.active)
        missing = set()
        for flow in range(FLOWS):
            self.number += 1
            missing.add(self.number)
            self.c1.send(frame(MAC_MOVING, MAC_C1, 1, 2, 6000 + flow, 7000, self.number))
        deadline = time.monotonic() + 1
        while missing and time.monotonic() < deadline:
            missing -= set(self.arrived(self.active))
            time.sleep(0.002)
        self.lost += len(missing)


def main():
    changes = int(sys.argv[1])
    random.seed(11)
    with open(sys.argv[3], encoding="utf-8") as file:
        test = Test(sys.argv[2], file.read(), sys.argv[4:9])
    test.announce()
    test.routed.warm_up()
    for number in range(changes):
        test.change()
        if number % 10 == 0:
            test.all_arrive()
    made = ", ".join(f"{count} {kind}" for kind, count in sorted(test.made.items()))
    print(f"{changes} changes ({made}), {test.number} probes and {test.routed.count} routed ones: {test.violations} came the old way, "
          f"{test.lost} of those sent in peace were lost; {test.of_these_in_kernel} of {test.flows_forbidden} routed flows were in the "
          f"kernel when they were forbidden")
    has_fast_path = test.control.ask("status")["fast_path"]["mode"] != "off"
    proves_nothing = has_fast_path and (2 * test.of_these_in_kernel < test.flows_forbidden or test.flows_forbidden == 0)
    return 1 if test.violations or test.lost or proves_nothing else 0


if __name__ == "__main__":
    sys.exit(main())
