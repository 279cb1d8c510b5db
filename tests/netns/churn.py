#!/usr/bin/env python3
"""Containers come and go, by many callers at a time, while weftd and plugins are killed.

    churn.py CONTAINERS CALLERS PREFIX WEFTD-BIN WORK

A node named host runs in the namespace PREFIX-host by WORK/host.toml. Each of CALLERS threads makes a namespace, has it added,
now and then kills the plugin in the middle, asks again as a runtime does, and has it deleted. Three times meanwhile weftd is
killed and started anew. At the end GC is run, as a runtime does after a crash. Prints how long ADD took, and exits with 1
if a container could not be had or taken away.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

CONTAINERS, CALLERS = int(sys.argv[1]), int(sys.argv[2])
PREFIX, BIN, WORK = sys.argv[3:6]
HOST = f"/run/netns/{PREFIX}-host"
PATIENCE = 60  # seconds, of a runtime


class Weftd:
    def __init__(self):
        self.process = None
        self.lock = threading.Lock()
        self.start()

    def start(self):
        log = open(f"{WORK}/host.log", "ab")
        self.process = subprocess.Popen(["nsenter", f"--net={HOST}", "--", f"{BIN}/weftd", "--config", f"{WORK}/host.toml"],
                                        stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self):
        with self.lock:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            time.sleep(0.2)
            self.start()


def plugin(verb, container, netns, more=None, kill_after=None):
    """The plugin's answer; None if it was killed."""
    config = {"cniVersion": "1.1.0", "name": "net", "type": "weft", "bridge": "pods",
              "control": f"{WORK}/host.sock", "dataDir": f"{WORK}/data", **(more or {})}
    environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_PATH": "/nowhere",
                   "CNI_NETNS": netns, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(["nsenter", f"--net={HOST}", "--", f"{BIN}/weft-cni"], env=environment, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(kill_after, process.kill) if kill_after is not None else None
    if timer:
        timer.start()
    try:
        said, _ = process.communicate(json.dumps(config))
    except BrokenPipeError:
        said = ""
        process.wait()
    if timer:
        timer.cancel()
    if process.returncode < 0 or process.returncode > 128:
        return None
    return json.loads(said) if said.strip() else {}


def until_it_works(verb, container, netns):
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = plugin(verb, container, netns)
        if answer is not None and "code" not in answer:
            return answer
        if time.monotonic() > deadline:
            raise RuntimeError(f"{verb} of {container}: {answer}")
        time.sleep(0.1)


class Churn:
    def __init__(self):
        self.next, self.done, self.killed = 0, 0, 0
        self.took, self.failures = [], []
        self.lock = threading.Lock()

    def one(self, number, dice):
        container = f"c{number}"
        name = f"{PREFIX}-{container}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        netns = f"/run/netns/{name}"
        try:
            if dice.random() < 0.15:
                plugin("ADD", container, netns, kill_after=dice.uniform(0.002, 0.03))
                with self.lock:
                    self.killed += 1
                if dice.random() < 0.5:
                    until_it_works("DEL", container, netns)
            begin = time.monotonic()
            until_it_works("ADD", container, netns)
            took = time.monotonic() - begin
            time.sleep(dice.uniform(0, 0.1))
            if dice.random() < 0.1:
                plugin("DEL", container, netns, kill_after=dice.uniform(0.002, 0.02))
                with self.lock:
                    self.killed += 1
            if dice.random() < 0.9:
                until_it_works("DEL", container, netns)
            with self.lock:
                self.took.append(took)
        finally:
            subprocess.run(["ip", "netns", "delete", name], check=False)
            with self.lock:
                self.done += 1

    def caller(self, seed):
        dice = random.Random(seed)
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= CONTAINERS:
                return
            try:
                self.one(number, dice)
            except Exception as failure:  # pylint: disable=broad-except
                self.failures.append(str(failure))


def main():
    weftd = Weftd()
    churn = Churn()
    threads = [threading.Thread(target=churn.caller, args=(seed,)) for seed in range(CALLERS)]
    for thread in threads:
        thread.start()
    for part in (1, 2, 3):
        while churn.done < part * CONTAINERS // 4:
            time.sleep(0.02)
        weftd.kill()
    for thread in threads:
        thread.join()
    until_it_works("STATUS", "none", HOST)
    plugin("GC", "none", HOST, {"cni.dev/valid-attachments": []})
    took = sorted(churn.took)
    print(f"{len(took)} of {CONTAINERS} containers, {CALLERS} callers, {churn.killed} plugins and 3 times weftd killed: "
          f"ADD p50 {1000 * took[len(took) // 2]:.0f} ms, p99 {1000 * took[int(len(took) * 0.99)]:.0f} ms")
    print(weftd.process.pid, file=sys.stderr)
    for failure in churn.failures:
        print(failure)
    with open(f"{WORK}/weftd.pid", "w", encoding="ascii") as file:
        file.write(str(weftd.process.pid))
    return 1 if churn.failures else 0


if __name__ == "__main__":
    sys.exit(main())
