#!/usr/bin/python3
"""Helps roaming.sh.

    roam.py flush                       the NAT of this namespace forgets all of its mappings
    roam.py losses PING CHANGES MOVING  what a `ping -n -D -i 0.01` has lost, for each of the changes, whose times are
                                        lines of CHANGES; the last line printed is: MOST TOTAL CHANGES EXCESS.
                                        EXCESS is what was lost in a change beyond two, or beyond what the silence
                                        explains of the moving side, whose ping MOVING is: where it is can only be
                                        known when it has sent something, and a busy machine lets it wait
    roam.py forge SECONDS OWN PCAP TARGET [PCAP TARGET]...   as one who is not on the path but has seen everything:
                                        to what TARGET was sent in PCAP, from OWN and from its true senders, the
                                        recorded datagrams, ESP of the same SPIs with higher numbers, cookie replies.
                                        Prints how many datagrams that were
"""

import random
import re
import socket
import struct
import sys
import time

from inject import datagram, read_pcap

PORT = 4500
INTERVAL = 0.01


def flush():
    """IPCTNL_MSG_CT_DELETE without a tuple, over ctnetlink."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    request_and_ack = 1 | 4
    netlink.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, request_and_ack, 1, 0, socket.AF_UNSPEC, 0, 0))
    error = struct.unpack("=i", netlink.recv(4096)[16:20])[0]
    if error:
        raise OSError(-error, "flushing the mappings")


def read_ping(path):
    """When each echo came back, by number, and how many were sent."""
    times = {}
    sent = 0
    with open(path, encoding="ascii") as file:
        for line in file:
            if reply := re.match(r"\[([0-9.]+)\] .* bytes from .* icmp_seq=(\d+) ", line):
                times.setdefault(int(reply[2]), float(reply[1]))
            if summary := re.match(r"(\d+) packets transmitted", line):
                sent = int(summary[1])
    return times, sent


def silence(times, begin):
    """The longest time between two echoes from just before `begin` to half a second after it."""
    near = sorted(time for time in times.values() if begin - 0.1 <= time <= begin + 0.5)
    return max((after - before for before, after in zip(near, near[1:])), default=0.6)


def losses(ping, changes, moving):
    times, sent = read_ping(ping)
    with open(changes, encoding="ascii") as file:
        begun = [float(line) for line in file]
    lost = [0] * (len(begun) + 1)
    last, last_time = 0, 0.0
    for number in range(1, sent + 1):
        if number in times:
            last, last_time = number, times[number]
            continue
        when = last_time + (number - last) * INTERVAL
        lost[sum(1 for change in begun if change <= when + INTERVAL)] += 1
    if lost[0]:
        sys.exit(f"{lost[0]} of {sent} were lost before the first change")
    print("lost by change:", " ".join(str(count) for count in lost[1:]))
    moving_times, _ = read_ping(moving)
    excess = [
        count - max(2, int(silence(moving_times, begin) / INTERVAL) + 1) if moving != ping else count - 2
        for count, begin in zip(lost[1:], begun)
    ]
    print(max(lost[1:]), sum(lost[1:]), len(begun), max(0, *excess))


def variants(payload, rng):
    yield payload
    if payload[:4] != bytes(4):
        number = int.from_bytes(payload[4:8], "big")
        for ahead in (1, 100, 10000):
            forged = payload[:4] + struct.pack("!I", (number + ahead) & 0xFFFFFFFF) + rng.randbytes(len(payload) - 8)
            yield forged
            yield payload[:4] + forged[4:8] + payload[8:]
    for kind in (1, 2, 3):
        yield bytes(4) + bytes([kind, 1, 0, 0]) + rng.randbytes(rng.randrange(16, 160))


def forge(seconds, own, recordings):
    rng = random.Random(1)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    heard = []
    for path, target in recordings:
        to = socket.inet_aton(target)
        heard += [one for one in read_pcap(path) if one[1] == to and len(one[4]) > 8]
    if not heard:
        sys.exit("nothing was recorded")
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        source, target, source_port, target_port, payload = rng.choice(heard)
        senders = [(source, source_port), (source, rng.randrange(1024, 65536)), (socket.inet_aton(own), PORT)]
        for forged in variants(payload, rng):
            for address, port in senders:
                raw.sendto(datagram(address, target, port, target_port, forged), (socket.inet_ntoa(target), 0))
                count += 1
        time.sleep(0.005)
    print(count)


def main():
    if sys.argv[1] == "flush":
        flush()
    elif sys.argv[1] == "losses":
        losses(sys.argv[2], sys.argv[3], sys.argv[4])
    elif sys.argv[1] == "forge":
        forge(float(sys.argv[2]), sys.argv[3], list(zip(sys.argv[4::2], sys.argv[5::2])))
    else:
        sys.exit(__doc__)


main()
