#!/usr/bin/python3
"""TCP for the tests: bytes that are checked, not only counted.

    traffic.py echo PORT               accepts one connection on any address, sends everything back, ends
    traffic.py call ADDRESS PORT SIZE  sends SIZE pseudo-random bytes and compares what comes back
    traffic.py sink PORT               accepts one connection, answers with the SHA-256 of all that came
    traffic.py file ADDRESS PORT FILE  sends the file, as large as may be, and compares the SHA-256
    traffic.py pour ADDRESS PORT SECONDS MBIT   sends pseudo-random bytes for so long at that rate, and compares the SHA-256

The sink prints the longest time in which nothing came.
"""

import hashlib
import random
import socket
import sys
import threading
import time


def echo(port):
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.settimeout(60)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(60)
            while data := connection.recv(1 << 16):
                connection.sendall(data)


def call(address, port, size):
    data = random.Random(size).randbytes(size)
    with socket.create_connection((address, port), timeout=20) as connection:

        def send():
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        received = bytearray()
        while part := connection.recv(1 << 16):
            received += part
    if received != data:
        first = next((i for i, (a, b) in enumerate(zip(received, data)) if a != b), min(len(received), size))
        sys.exit(f"{address}: {len(received)} of {size} bytes came back; they differ from byte {first} on")
    print(f"tcp to {address}: {size} bytes there and back")


def sink(port):
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.settimeout(60)
        connection, _ = listener.accept()
        digest = hashlib.sha256()
        longest, latest = 0.0, time.monotonic()
        with connection:
            connection.settimeout(60)
            while data := connection.recv(1 << 20):
                now = time.monotonic()
                longest, latest = max(longest, now - latest), now
                digest.update(data)
            connection.sendall(digest.digest())
        print(f"longest gap: {longest * 1000:.0f} ms", flush=True)


def pour(address, port, seconds, mbit):
    block = random.Random(port).randbytes(1 << 16)
    digest = hashlib.sha256()
    sent = 0
    with socket.create_connection((address, port), timeout=60) as connection:
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            if sent * 8 > elapsed * mbit * 1e6:
                time.sleep(0.002)
                continue
            part = sent.to_bytes(8, "big") + block[8:]
            connection.sendall(part)
            digest.update(part)
            sent += len(part)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(digest.digest_size, socket.MSG_WAITALL)
    if answer != digest.digest():
        sys.exit(f"{address}: SHA-256 {answer.hex()} arrived, {digest.hexdigest()} was sent")
    print(f"poured to {address}: {sent} bytes in {seconds} s, the same SHA-256 at both ends")


def file(address, port, path):
    with open(path, "rb") as data, socket.create_connection((address, port), timeout=60) as connection:
        connection.sendfile(data)
        connection.shutdown(socket.SHUT_WR)
        data.seek(0)
        digest = hashlib.file_digest(data, "sha256")
        size = data.tell()
        answer = connection.recv(digest.digest_size, socket.MSG_WAITALL)
    if answer != digest.digest():
        sys.exit(f"{address}: SHA-256 {answer.hex()} arrived, {digest.hexdigest()} was sent")
    print(f"file to {address}: {size} bytes, SHA-256 {answer.hex()[:16]}... at both ends")


if sys.argv[1] == "echo":
    echo(int(sys.argv[2]))
elif sys.argv[1] == "sink":
    sink(int(sys.argv[2]))
elif sys.argv[1] == "file":
    file(sys.argv[2], int(sys.argv[3]), sys.argv[4])
elif sys.argv[1] == "pour":
    pour(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
else:
    call(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
