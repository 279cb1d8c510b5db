"""What joins the two ends: each a context manager that makes namespaces a and b (probes.py), and a link between them.

    impair(settings, direction, port)    from now on the link is this bad, from a to b; settings: keys and values of [port.impair]
    lacks                                what it has no equivalent of, by the names that lines.py uses
    corruption(share, bits)              the setting that spoils this share of the packets of so many bits
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from links import probes
from links.probes import PREFIX, run


def corruption_by_bit_errors(share, bits):
    return {"corrupt": 1 - (1 - share) ** (1 / bits)}


def toml(settings):
    def value(of):
        return f'"{of}"' if isinstance(of, str) else "true" if of is True else str(of)

    return "".join(f"{key} = {value(of)}\n" for key, of in settings.items())


class Node:
    """weftd, and two TAPs of it."""

    name = "weft"
    lacks = {"gap"}
    corruption = staticmethod(corruption_by_bit_errors)

    def __init__(self, folder):
        self.bin = folder
        self.work = tempfile.mkdtemp(prefix=f"/tmp/{PREFIX}-")
        self.file = os.path.join(self.work, "node.toml")
        self.daemon = None
        self.made = []

    def __enter__(self):
        for name in ("a", "b", "weftd"):
            run("ip", "netns", "add", f"{PREFIX}-{name}")
            self.made.append(name)
        self.write({})
        self.log = open(os.path.join(self.work, "log"), "w", encoding="utf-8")
        self.daemon = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{PREFIX}-weftd", "--", os.path.join(self.bin, "weftd"), "--config", self.file],
            stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(100):
            if os.path.exists(os.path.join(self.work, "sock")) and self.answers():
                return self
            time.sleep(0.1)
        sys.exit("weftd does not start: " + open(os.path.join(self.work, "log"), encoding="utf-8").read())

    def answers(self):
        return subprocess.run([os.path.join(self.bin, "weft"), "--control", os.path.join(self.work, "sock"), "status"],
                              capture_output=True, check=False).returncode == 0

    def __exit__(self, *_):
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(10)
        for name in self.made:
            subprocess.run(["ip", "netns", "del", f"{PREFIX}-{name}"], check=False)
        shutil.rmtree(self.work)

    # Without any impairment both ports have an empty one, so that their pool is the large one from the start.
    def write(self, settings, direction="out", port="b"):
        text = f'[node]\nname = "n"\ncontrol = "{self.work}/sock"\nstate_dir = "{self.work}"\n\n[[bridge]]\nname = "lan"\n'
        for number, name in enumerate("ab", 1):
            text += (f'\n[[port]]\nname = "{name}"\ntype = "tap"\ndevice = "lan0"\nnetns = "{PREFIX}-{name}"\nbridge = "lan"\n'
                     f'address = ["10.9.0.{number}/24"]\ntxqueuelen = 4000\n')
            if not settings:
                text += "[port.impair]\n"
            elif name == port:
                text += f"[port.impair]\n[port.impair.{direction}]\n{toml(settings)}"
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)

    def impair(self, settings, **where):
        self.write(settings, **where)
        run(os.path.join(self.bin, "weft"), "--control", os.path.join(self.work, "sock"), "apply", self.file)


class Lab:
    """A link of a lab (weft lab), which is made anew for each impairment. Its directions are one to weft lab."""

    name = "weft lab"
    lacks = Node.lacks
    corruption = staticmethod(corruption_by_bit_errors)

    def __init__(self, folder):
        self.weft = os.path.join(folder, "weft")
        self.work = tempfile.mkdtemp(prefix=f"/tmp/{PREFIX}-")
        self.up = False

    def __enter__(self):
        self.impair({})
        return self

    def __exit__(self, *_):
        subprocess.run([self.weft, "lab", "down", PREFIX], check=False, capture_output=True)
        shutil.rmtree(self.work)

    def impair(self, settings, **_):
        file = os.path.join(self.work, "lab.toml")
        if self.up:
            run(self.weft, "lab", "down", PREFIX)
        with open(file, "w", encoding="utf-8") as out:
            out.write('[[host]]\nname = "a"\naddress = "10.9.0.1/24"\n[[host]]\nname = "b"\naddress = "10.9.0.2/24"\n'
                      f'[[link]]\nends = ["a", "b"]\n[link.there]\n{toml(settings)}')
        run(self.weft, "lab", "--name", PREFIX, "up", file)
        self.up = True
        for pid in run("pgrep", "-x", "weft-lab-runner").split():
            with contextlib.suppress(FileNotFoundError):
                os.stat(f"/proc/{pid}/root/run/netns/a")
                probes.namespaces = f"/proc/{pid}/root/run/netns/{{}}"
        probes.probe(10, 0.01)  # ARP


class Netem:
    """The kernel: a veth pair, and tc netem at a's end, which knows one direction only: what leaves."""

    name = "netem"
    lacks = {"bit error rate", "every n-th"}

    def __enter__(self):
        for name in "ab":
            run("ip", "netns", "add", f"{PREFIX}-{name}")
        run("ip", "-n", f"{PREFIX}-a", "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", f"{PREFIX}-b")
        for number, name in enumerate("ab", 1):
            run("ip", "-n", f"{PREFIX}-{name}", "address", "add", f"10.9.0.{number}/24", "dev", "lan0")
            run("ip", "-n", f"{PREFIX}-{name}", "link", "set", "lan0", "up")
        return self

    def __exit__(self, *_):
        for name in "ab":
            subprocess.run(["ip", "netns", "del", f"{PREFIX}-{name}"], check=False)

    # It turns one bit of each packet that it spoils.
    @staticmethod
    def corruption(share, _):
        return {"corrupt": f"{100 * share}%"}

    # Anew each time: a netem that is changed keeps the corruption, the rate and the distribution that the change does not name.
    def impair(self, settings, **_):
        tc = ["ip", "netns", "exec", f"{PREFIX}-a", "tc", "qdisc"]
        subprocess.run([*tc, "delete", "dev", "lan0", "root"], capture_output=True, check=False)  # there is none at first
        run(*tc, "add", "dev", "lan0", "root", "netem", *netem_arguments(settings))


def netem_arguments(settings):
    arguments = []
    if "delay" in settings:
        arguments += ["delay", settings["delay"]]
        if "jitter" in settings:
            arguments += [settings["jitter"], settings.get("delay_correlation", "0%")]
            arguments += ["distribution", settings["distribution"]] if settings["distribution"] != "uniform" else []
    model, *chances = settings.get("loss", "").split(" ")
    if model == "gilbert-elliott":
        to_bad, to_good, loss_good, loss_bad = chances
        arguments += ["loss", "gemodel", to_bad, to_good, loss_bad, loss_good]
    elif model == "4-state":
        arguments += ["loss", "state", *chances]
    elif model:
        arguments += ["loss", model, settings.get("loss_correlation", "0%")]
    for key in ("duplicate", "reorder", "gap", "corrupt", "rate"):
        arguments += [key, settings[key]] if key in settings else []
    return [*arguments, "limit", settings.get("queue", "10000 packets").split()[0]]
