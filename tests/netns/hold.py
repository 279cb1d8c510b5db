#!/usr/bin/python3
"""Occupies a UDP port until it is killed: hold.py PORT."""

import signal
import socket
import sys

holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
holder.bind(("0.0.0.0", int(sys.argv[1])))
print("bound", flush=True)
signal.pause()
