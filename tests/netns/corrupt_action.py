#!/usr/bin/env python3
"""Corrupts what the kernel does with the flows of a weftd: corrupt_action.py PID IFINDEX

Every action of its fast path leads to that device from now on.
"""

import json
import os
import struct
import subprocess
import sys


def bpftool(*arguments):
    return json.loads(subprocess.run(("bpftool", "--json", *arguments), check=True, capture_output=True).stdout or b"null")


def actions_of(pid):
    """The number of the process's map of this name."""
    folder = f"/proc/{pid}/fdinfo"
    for descriptor in os.listdir(folder):
        with open(f"{folder}/{descriptor}", encoding="ascii") as info:
            for line in info:
                name, _, value = line.partition(":")
                if name == "map_id" and bpftool("map", "show", "id", value.strip())["name"] == "actions":
                    return value.strip()
    sys.exit("corrupt_action: the process has no such map")


def main():
    pid, ifindex = int(sys.argv[1]), int(sys.argv[2])
    number = actions_of(pid)
    corrupted = 0
    for entry in bpftool("map", "dump", "id", number):
        value = bytearray(int(byte, 16) for byte in entry["value"])
        verdict = struct.unpack_from("<Q", value)[0]
        if verdict == 0:
            continue
        struct.pack_into("<Q", value, 0, verdict & ~0xFFFFFFFF | ifindex)
        bpftool("map", "update", "id", number, "key", "hex", *(byte[2:] for byte in entry["key"]),
                "value", "hex", *(f"{byte:02x}" for byte in value))
        corrupted += 1
    print(f"{corrupted} actions corrupted")
    return 0 if corrupted else 1


if __name__ == "__main__":
    sys.exit(main())
