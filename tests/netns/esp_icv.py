#!/usr/bin/python3
"""Opens every ESP-in-UDP packet of a capture with the keys of keylogs, through OpenSSL by way of python3-cryptography.

    esp_icv.py PCAP KEYLOG...

Says how many there were, and fails if one does not open, has a wrong trailer, or uses an IV twice under its key. The
associated data is SPI and 64-bit sequence number (RFC 4106 section 5), whose high half is 0 in a capture this young.
"""

import csv
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


def read_keylog(paths):
    keys = {}
    for path in paths:
        with open(path, encoding="ascii", newline="") as file:
            for row in csv.reader(line for line in file if not line.startswith("#")):
                spi, algorithm, secret = int(row[3], 16), row[4], bytes.fromhex(row[5][2:])
                cipher = ChaCha20Poly1305 if algorithm.startswith("ChaCha20") else AESGCM
                keys.setdefault(spi, []).append((cipher(secret[:-4]), secret[-4:], len(secret) - 4))
    return keys


def payloads(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack("<I", data[at + 8 : at + 12])[0]
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            udp = frame[14 + (frame[14] & 15) * 4 :]
            yield udp[8 : struct.unpack("!H", udp[4:6])[0]]


def open_packet(keys, packet):
    spi, sequence = struct.unpack("!II", packet[:8])
    iv, rest = packet[8:16], packet[16:]
    associated = struct.pack("!IQ", spi, sequence)
    for number, (cipher, salt, _) in enumerate(keys.get(spi, [])):
        try:
            return number, iv, cipher.decrypt(salt + iv, rest, associated)
        except InvalidTag:
            continue
    sys.exit(f"SPI {spi:#010x}, sequence number {sequence}: no key of the keylog opens it")


def main():
    keys = read_keylog(sys.argv[2:])
    counts = {4: 0, 41: 0, 17: 0, 59: 0}
    used = set()
    control = 0
    for packet in payloads(sys.argv[1]):
        if packet[:4] == bytes(4) or len(packet) < 16:
            control += 1
            continue
        number, iv, text = open_packet(keys, packet)
        nonce = (packet[:4], number, iv)
        if nonce in used:
            sys.exit(f"SPI {packet[:4].hex()}: IV {iv.hex()} was used twice")
        used.add(nonce)
        pad, next_header = text[-2], text[-1]
        if len(text) % 4 or text[-2 - pad : -2] != bytes(range(1, pad + 1)) or next_header not in counts:
            sys.exit(f"SPI {packet[:4].hex()}: bad trailer {text[-8:].hex()}")
        counts[next_header] += 1
    if not used:
        sys.exit("no ESP packet in the capture")
    print(f"{len(used)} opened: {counts[17]} over UDP, {counts[4]} IPv4, {counts[41]} IPv6, {counts[59]} dummies; "
          f"no IV twice; {control} control datagrams")


main()
