#!/usr/bin/python3
"""TCP for the tests: bytes that are checked, not only counted.

    traffic.py echo PORT               accepts one connection on any address, sends everything back, ends
    traffic.py call ADDRESS PORT SIZE  sends SIZE pseudo-random bytes and compares what comes back
"""

import random
import socket
import sys
import threading


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


if sys.argv[1] == "echo":
    echo(int(sys.argv[2]))
else:
    call(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
