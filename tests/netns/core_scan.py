#!/usr/bin/python3
"""Looks for secrets in a core file.

    core_scan.py CORE SECRETS PUBLIC

SECRETS and PUBLIC have lines `NAME HEX`. No secret may be anywhere in the file, in memory or registers: not its bytes, not
either half of them (a register holds as much), not its text in hex or base64. All that is public must be there, as the
proof that this is the core of the process that is meant, and that it is searched. Says how many threads' registers there are.
"""
import base64
import mmap
import struct
import sys


def forms(secret):
    yield "bytes", secret
    if len(secret) > 16:
        yield "first half", secret[:16]
        yield "second half", secret[16:]
    yield "hex", secret.hex().encode()
    yield "HEX", secret.hex().upper().encode()
    yield "base64", base64.b64encode(secret)[: len(secret) * 8 // 6]


def entries(path):
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, text = line.split()
            yield name, bytes.fromhex(text)


def notes(core):
    """The types of the notes of an ELF-64 core: one NT_PRSTATUS a thread."""
    offset, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    for i in range(count):
        kind, _, begin, _, _, length = struct.unpack_from("<IIQQQQ", core, offset + i * size)
        end = begin + length
        while kind == 4 and begin < end:
            name, content, note = struct.unpack_from("<III", core, begin)
            yield note
            begin += 12 + (name + 3) // 4 * 4 + (content + 3) // 4 * 4


def where(core, at):
    """The address that the byte of the file had, or `registers`."""
    offset, = struct.unpack_from("<Q", core, 32)
    size, count = struct.unpack_from("<HH", core, 54)
    for i in range(count):
        kind, _, begin, address, _, length = struct.unpack_from("<IIQQQQ", core, offset + i * size)
        if begin <= at < begin + length:
            return f"0x{address + at - begin:x}" if kind == 1 else "registers"
    return "nowhere"


def main():
    bad = 0
    with open(sys.argv[1], "rb") as file:
        core = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    secrets = list(entries(sys.argv[2]))
    for name, secret in secrets:
        for form, pattern in forms(secret):
            at = core.find(pattern)
            while at >= 0:
                print(f"FOUND {name} as {form} at {where(core, at)}")
                bad += 1
                at = core.find(pattern, at + 1)
    for name, public in entries(sys.argv[3]):
        if core.find(public) < 0:
            print(f"MISSING {name}, which is no secret")
            bad += 1
    kinds = list(notes(core))
    print(f"{len(core) >> 10} KiB, {kinds.count(1)} threads, vector registers of {kinds.count(0x202)}; {len(secrets)} secrets sought")
    sys.exit(bad != 0)


main()
