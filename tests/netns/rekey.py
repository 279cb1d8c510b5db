#!/usr/bin/python3
"""Renews the keys of a peer again and again, as `weft rekey` does, without a process for each.

    rekey.py SOCKET PEER COUNT SECONDS

Prints how many handshakes were completed: COUNT, or fewer if the time was too short.
"""

import json
import socket
import sys
import time

# One initiation in 20 ms is accepted from a peer, and a refused one is repeated after a second only.
PAUSE = 0.03


class Daemon:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")

    def call(self, method, params=None):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(self.lines.readline())["result"]

    def handshakes(self, name):
        return next(peer["handshakes"] for peer in self.call("peers")["peers"] if peer["peer"] == name)


def main(path, name, count, seconds):
    daemon = Daemon(path)
    deadline = time.monotonic() + seconds
    before = daemon.handshakes(name)
    done = 0
    while done < count and time.monotonic() < deadline:
        daemon.call("rekey", {"peer": name})
        time.sleep(PAUSE)
        done = daemon.handshakes(name) - before
    print(done)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
