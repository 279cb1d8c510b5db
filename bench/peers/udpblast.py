#!/usr/bin/env python3
"""Send or count UDP datagrams as fast as the kernel takes them.

    udpblast.py recv ADDRESS PORT
        Says "ready", counts until it gets SIGTERM, prints one line of JSON.
        "reordered" are those that came after one that had been sent later.
    udpblast.py send ADDRESS PORT SIZE SECONDS [PACKETS_PER_SECOND]
        Sends SIZE bytes of payload each (at least 8), at the given rate or (0,
        the default) without a limit. Prints one line of JSON.

Each payload begins with its number, 8 bytes, little-endian. The sender begins with
a greeting, which has the highest number and is answered: the flow has two
directions then, as every conversation has.

iperf3 needs a TCP connection over the very path that is being flooded, and one
system call for each packet. This uses sendmmsg and recvmmsg, through ctypes.
"""
import ctypes
import json
import signal
import socket
import struct
import sys
import time

BATCH = 32
SOCKET_BUFFER = 4 << 20
MSG_WAITFORONE = 0x10000
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
PR_SET_TIMERSLACK = 29

GREETING = struct.pack("<Q", (1 << 64) - 1)

NUMBERS = struct.Struct(f"<{BATCH}Q")

libc = ctypes.CDLL(None, use_errno=True)


class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
                ("iov", ctypes.POINTER(iovec)), ("iovlen", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", msghdr), ("len", ctypes.c_uint)]


class Batch:
    """BATCH messages, each with a number of its own; what follows the numbers is
    one buffer for all."""

    def __init__(self, size):
        self.numbers = bytearray(NUMBERS.size)
        self.rest = ctypes.create_string_buffer(max(size - 8, 1))
        first = ctypes.addressof(ctypes.c_char.from_buffer(self.numbers))
        self.vectors = [(iovec * 2)(iovec(first + 8 * index, 8),
                                    iovec(ctypes.addressof(self.rest), size - 8))
                        for index in range(BATCH)]
        self.messages = (mmsghdr * BATCH)()
        for message, vector in zip(self.messages, self.vectors):
            message.hdr.iov = vector
            message.hdr.iovlen = 2


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER)
    return sock


def receive(address, port):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    sock = udp_socket()
    sock.bind((address, port))
    batch = Batch(2048)
    fd, packets, first, last = sock.fileno(), 0, None, None
    highest, reordered = -1, 0
    print("ready", flush=True)
    sock.sendto(*sock.recvfrom(2048))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                    b"".join(n.to_bytes(8, "little") for n in (0, 100_000)))
    while not stopped:
        n = libc.recvmmsg(fd, batch.messages, BATCH, MSG_WAITFORONE, None)
        if n <= 0:
            continue
        packets += n
        last = time.monotonic()
        if first is None:
            first = last
        numbers = NUMBERS.unpack(batch.numbers)[:n]
        late, highest = count_late(numbers, highest)
        reordered += late
    print(json.dumps({"packets": packets, "reordered": reordered,
                      "seconds": last - first if packets else 0}))


def count_late(numbers, highest):
    """How many are below one that came before them, and the highest of all."""
    if numbers[0] > highest and numbers == tuple(sorted(numbers)):
        return 0, numbers[-1]       # as a rule, and quick
    late = 0
    for number in numbers:
        late += number < highest
        highest = max(highest, number)
    return late, highest


def greet(sock):
    """Until it is answered; the first one may be lost while addresses are resolved."""
    sock.settimeout(1)
    for _ in range(5):
        sock.send(GREETING)
        try:
            sock.recv(2048)
            break
        except OSError:
            pass
    sock.setblocking(True)


def send(address, port, size, seconds, rate):
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    sock = udp_socket()
    sock.connect((address, port))
    greet(sock)
    batch = Batch(size)
    fd, packets, refused = sock.fileno(), 0, 0
    start = now = time.monotonic()
    while now - start < seconds:
        if rate:
            ahead = packets / rate - (now - start)
            if ahead > 0:
                time.sleep(ahead)
        NUMBERS.pack_into(batch.numbers, 0, *range(packets, packets + BATCH))
        n = libc.sendmmsg(fd, batch.messages, BATCH, 0)
        if n > 0:
            packets += n
        else:
            refused += 1
        now = time.monotonic()
    print(json.dumps({"packets": packets, "seconds": now - start,
                      "refused": refused}))


def main(mode, address, port, *rest):
    if mode == "recv":
        receive(address, int(port))
    else:
        size, seconds, rate = (*rest, "0")[:3]
        send(address, int(port), int(size), float(seconds), float(rate))


main(*sys.argv[1:])
