#!/usr/bin/env python3
"""UDP datagrams of given sizes and back.

datagrams.py echo PORT                   sends back whatever comes, IPv4 and IPv6
datagrams.py hop ADDRESS PORT            a flow's datagram with one hop to live is reported, not delivered
datagrams.py call ADDRESS PORT SIZES     sizes separated by commas, 100 datagrams of each, all of which must come back as they were
"""
import os
import socket
import sys


def echo(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    while True:
        data, sender = sock.recvfrom(65536)
        sock.sendto(data, sender)


def call(address, port, sizes):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.settimeout(2)
    for size in sizes:
        for _ in range(100):
            data = os.urandom(size)
            sock.send(data)
            back = sock.recv(65536)
            if back != data:
                sys.exit(f"of {size} bytes came back {len(back)} others")
    print(f"{100 * len(sizes)} datagrams to {address} and back")


def hop(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.settimeout(2)
    sock.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    for _ in range(100):
        sock.send(b"established")
        sock.recv(100)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
    sock.send(b"too far")
    try:
        sys.exit(f"came back: {sock.recv(100)}")
    except TimeoutError:
        raise
    except OSError as error:
        print(f"as it should be: {error.strerror}")


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(int(sys.argv[2]))
    else:
        try:
            if sys.argv[1] == "hop":
                sys.exit(hop(sys.argv[2], int(sys.argv[3])))
            call(sys.argv[2], int(sys.argv[3]), [int(size) for size in sys.argv[4].split(",")])
        except TimeoutError:
            sys.exit("a datagram did not come back")
