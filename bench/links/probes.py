"""UDP probes from namespace a, 10.9.0.1, to namespace b, 10.9.0.2: what arrives, when, and what is wrong with it.

A probe carries the time just before its system call, and the kernel stamps its arrival (SO_TIMESTAMPNS), so that neither end's
scheduling is measured.
"""
import contextlib
import ctypes
import math
import multiprocessing
import os
import socket
import struct
import subprocess
import threading
import time

PREFIX = f"weft-accuracy-{os.getpid()}"
namespaces = f"/run/netns/{PREFIX}-{{}}"  # where they are; a lab's are elsewhere
SO_NO_CHECK = 11
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
UDP_SEGMENT = 103
UDP_GRO = 104
CLONE_NEWNET = 0x40000000
PORT = 5000
FILL = 0x5A
HEADERS = 14 + 20 + 8  # Ethernet, IPv4, UDP
OWN = struct.Struct("=Iq")  # number, nanoseconds since 1970


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


@contextlib.contextmanager
def namespace(name):
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(namespaces.format(name), os.O_RDONLY)
    try:
        if libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(own, CLONE_NEWNET)
        os.close(own)
        os.close(there)


# With buffers so large that a socket neither loses anything nor waits for the link.
def udp(name, address):
    with namespace(name):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 64 << 20)
        sock.bind((address, PORT))
    return sock


class Receiver(threading.Thread):
    """Probes as they come, until none has come for a while."""

    def __init__(self, size):
        super().__init__()
        self.sock = udp("b", "10.9.0.2")
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.settimeout(1.5)
        self.fill = bytes([FILL]) * (size - OWN.size)
        self.got = []           # (number, nanoseconds from the sender's stamp to the kernel's)
        self.wrong_packets = 0  # by their fill
        self.wrong_bits = 0
        self.start()

    def run(self):
        while True:
            try:
                data, control, _, _ = self.sock.recvmsg(2048, 64)
            except socket.timeout:
                return
            seconds, nanoseconds = struct.unpack("qq", control[0][2])
            if len(data) != OWN.size + len(self.fill):  # its length was spoiled
                continue
            number, sent = OWN.unpack_from(data)
            self.got.append((number, seconds * 10**9 + nanoseconds - sent))
            fill = data[OWN.size:]
            if fill != self.fill:
                self.wrong_packets += 1
                self.wrong_bits += sum((byte ^ FILL).bit_count() for byte in fill)

    def result(self):
        self.join()
        self.sock.close()
        return self


def probe(count, distance, size=100, without_checksum=False):
    """Sends `count` probes of `size` bytes, one each `distance` seconds (0: as fast as possible)."""
    receiver = Receiver(size)
    sender = udp("a", "10.9.0.1")
    if without_checksum:
        sender.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    sender.connect(("10.9.0.2", PORT))
    begin = time.monotonic()
    for number in range(count):
        if distance:
            ahead = begin + number * distance - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        elif number % 100 == 99:
            time.sleep(0.001)
        with contextlib.suppress(ConnectionRefusedError):  # where a spoiled probe went to another port
            sender.send(OWN.pack(number, time.clock_gettime_ns(time.CLOCK_REALTIME)) + receiver.fill)
    receiver.result()
    sender.close()
    return receiver


FLOOD_SIZE = 1472


def flood(rate, seconds, told):
    """Datagrams of FLOOD_SIZE, half as many again as `rate` (bits of frames a second) carries, in trains that the kernel cuts.
    Tells how many bits a second it could send."""
    sender = udp("a", "10.9.0.1")
    sender.connect(("10.9.0.2", PORT))
    train = max(1, min(20, int(rate / 25_000_000)))
    if train > 1:
        sender.setsockopt(socket.SOL_UDP, UDP_SEGMENT, FLOOD_SIZE)
    data = bytes(FLOOD_SIZE * train)
    bits = train * (FLOOD_SIZE + HEADERS) * 8
    begin = time.monotonic()
    sent = 0
    while time.monotonic() < begin + seconds:
        ahead = begin + sent * bits / (1.5 * rate) - time.monotonic()
        if ahead > 0.0002:
            time.sleep(ahead)
        sender.send(data)
        sent += 1
    told.send(sent * bits / (time.monotonic() - begin))


def carried(rate, seconds):
    """What a flood offered, and what arrived of it in so many seconds once the link was busy; in bits of frames a second."""
    receiver = udp("b", "10.9.0.2")
    receiver.setsockopt(socket.SOL_UDP, UDP_GRO, 1)  # trains as they are
    receiver.settimeout(2)
    offered, told = multiprocessing.Pipe(duplex=False)
    sender = multiprocessing.Process(target=flood, args=(rate, seconds + 1.5, told))
    sender.start()
    told.close()
    buffer = bytearray(1 << 16)

    def receive(packets, until):
        got = 0
        with contextlib.suppress(socket.timeout):
            while got < packets and time.monotonic() < until:
                got += receiver.recv_into(buffer) // FLOOD_SIZE
        return got

    receive(50 if rate > 1_000_000 else 10, math.inf)
    begin = time.monotonic()
    got = receive(math.inf, begin + seconds)
    measured = got * (FLOOD_SIZE + HEADERS) * 8 / (time.monotonic() - begin)
    receive(math.inf, math.inf)  # until nothing is left in the queue
    sender.join()
    receiver.close()
    return offered.recv(), measured
