"""Datagrams of eight flows between the stations of two bridges, by way of their gateways; for changing_node.py.

Both stations are the stacks of their namespaces, with these addresses. Each sends to the other all the time, so that every flow is
established.
"""

import socket
import struct
import sys
import time

from moving_station import FLOWS, enter

NEAR, FAR = "10.7.0.1", "10.8.0.1"


def open_sockets(namespace, address, first_port):
    enter(namespace)
    opened = []
    for flow in range(FLOWS):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((address, first_port + flow))
        one.setblocking(False)
        opened.append(one)
    return opened


class RoutedProbes:
    flows = 2 * FLOWS  # each way is one

    def __init__(self, near, far, control):
        self.near = open_sockets(near, NEAR, 6000)
        self.far = open_sockets(far, FAR, 7000)
        self.control = control
        self.number = 0

    def send(self, rounds):
        """A round is one of each flow, each way, with the same number. Returns the first one's."""
        first = self.number + 1
        for _ in range(rounds):
            self.number += 1
            data = struct.pack("!Q", self.number)
            for near, far in zip(self.near, self.far):
                near.sendto(data, far.getsockname())
                far.sendto(data, near.getsockname())
        return first

    @property
    def count(self):
        return self.flows * self.number

    def arrived(self, first):
        """Of those that wait, how many have this number or a later one."""
        count = 0
        for opened in self.near + self.far:
            while True:
                try:
                    count += struct.unpack("!Q", opened.recv(64))[0] >= first
                except BlockingIOError:
                    break
        return count

    def missing(self, first):
        """How many of all since this one do not arrive."""
        left = self.flows * (self.number + 1 - first) - self.arrived(first)
        deadline = time.monotonic() + 1
        while left > 0 and time.monotonic() < deadline:
            time.sleep(0.002)
            left -= self.arrived(first)
        return left

    def warm_up(self):
        """Every worker asks for its neighbors itself, and meanwhile lets only a few datagrams wait for each."""
        deadline = time.monotonic() + 10
        while self.missing(self.send(1)):
            if time.monotonic() > deadline:
                sys.exit("routed_probes: the stations do not reach each other")

    def in_kernel(self):
        """How many of the flows are there."""
        flows = self.control.ask("flows", limit=1000)["flows"]
        return sum(1 for flow in flows if flow["path"] == "kernel" and NEAR in (flow["source"], flow["destination"]))
