#!/usr/bin/python3
"""Stands in for a service manager that has a descriptor store (sd_notify(3), sd_listen_fds(3)).

    service_manager.py SOCKET COMMAND...

Starts COMMAND and takes what it says on NOTIFY_SOCKET, which is SOCKET: READY=1, FDSTORE=1 with FDNAME=, FDSTOREREMOVE=1,
BARRIER=1. Prints a line for each start ("ready PID DESCRIPTORS-PASSED") and each end ("ended STATUS STORED").
  SIGUSR1   restart: SIGTERM, and when it has ended, a start with what it has stored
  SIGUSR2   the same by SIGKILL
  SIGHUP    SIGTERM, then what is in the store is closed, then a start: a stop for good, and a start
  SIGTERM   SIGTERM, and the end
"""

import array
import os
import select
import signal
import socket
import sys

FIRST = 3  # SD_LISTEN_FDS_START


class Manager:
    def __init__(self, path, command):
        self.command = command
        self.store = {}
        self.asked = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.environment = {**os.environ, "NOTIFY_SOCKET": path, "FDSTORE": "4096"}
        self.wake, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, lambda number, frame: self.asked.append(number))
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def start(self):
        names = list(self.store)
        pid = os.fork()
        if pid != 0:
            self.pid, self.passed = pid, len(names)
            return
        # Above all that is to be passed, so that none is overwritten.
        high = [os.dup2(self.store[name], 500 + i) for i, name in enumerate(names)]
        for i, descriptor in enumerate(high):
            os.dup2(descriptor, FIRST + i)
        os.closerange(FIRST + len(high), 500 + len(high))
        os.closerange(500, 500 + len(high))
        environment = {**self.environment, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(names)),
                       "LISTEN_FDNAMES": ":".join(names)} if names else self.environment
        os.execve(self.command[0], self.command, environment)

    def hear(self):
        data, control, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4 * 253))
        descriptors = []
        for level, kind, payload in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) // 4 * 4])
                descriptors.extend(numbers)
        said = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
        if said.get("FDSTORE") == "1" and len(descriptors) == 1 and said["FDNAME"] not in self.store:
            self.store[said["FDNAME"]] = descriptors.pop()
        if said.get("FDSTOREREMOVE") == "1":
            os.close(self.store.pop(said["FDNAME"]))
        for descriptor in descriptors:  # of a barrier too
            os.close(descriptor)
        if said.get("READY") == "1":
            print(f"ready {self.pid} {self.passed}", flush=True)

    def wait(self):
        """Until it has ended and all that it said was heard."""
        ended = None
        while True:
            readable, _, _ = select.select([self.socket, self.wake], [], [], 0 if ended is not None else None)
            if self.wake in readable:
                os.read(self.wake, 64)
            if self.socket in readable:
                self.hear()
            elif ended is not None:
                print(f"ended {ended} {len(self.store)}", flush=True)
                return
            if ended is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                ended = os.waitstatus_to_exitcode(status) if pid else None
            if ended is None and self.asked:
                self.last = self.asked.pop(0)
                os.kill(self.pid, signal.SIGKILL if self.last == signal.SIGUSR2 else signal.SIGTERM)

    def run(self):
        self.last = None
        while self.last != signal.SIGTERM:
            self.start()
            self.last = None
            self.wait()
            if self.last is None:
                sys.exit(1)  # by itself
            if self.last == signal.SIGHUP:
                while self.store:
                    os.close(self.store.popitem()[1])


Manager(sys.argv[1], sys.argv[2:]).run()
