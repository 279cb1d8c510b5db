"""What is measured on a peer that is up. Every peer gets exactly this."""
import collections
import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import time

BLAST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "udpblast.py")
OVER_B = "10.77.0.2"        # as in lib.sh
UDP_PORT = 7000
LARGE, SMALL = 1372, 64     # UDP payload; LARGE makes IP packets of 1400 bytes
CLEAN_LOSS = 0.01           # the loss a "clean" packet rate may have
HICCUP_LOSS = 0.2           # the loss that is tried again, see clean_trial
CLEAN_TRIALS = 7
PATTERN = b"weft-peers"     # what verify() looks for on the underlay

# What is up: its test ends, the namespace that holds the A side of the
# underlay, the inner MTU, the directory with its logs and pids; and the TCP
# congestion control to measure with.
Site = collections.namedtuple(
    "Site", "topology end_a end_b site_a mtu work congestion")

# How long to measure: seconds per TCP test, per UDP test and per trial of the
# clean-rate search (0: no search), and the number of pings, 10 ms apart.
Scale = collections.namedtuple("Scale", "tcp udp trial pings")
SCALES = {
    "quick": Scale(tcp=2, udp=1, trial=0, pings=100),
    "normal": Scale(tcp=5, udp=3, trial=0.6, pings=300),
    "full": Scale(tcp=10, udp=5, trial=1, pings=1000),
}


class MeasureError(Exception):
    pass


# ---- running things in namespaces ------------------------------------------

def in_ns(ns, *command):
    return ["ip", "netns", "exec", ns, *command]


def program(command):
    return os.path.basename(command[0])


def run(ns, *command, timeout):
    """The standard output of a command in a namespace."""
    try:
        done = subprocess.run(in_ns(ns, *command), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise MeasureError(f"{program(command)} did not finish in {timeout:.0f} s")
    return done.stdout


class Server:
    """A command that runs in a namespace for the length of a with block, from
    when it has printed a line with the given text."""

    def __init__(self, ns, *command, ready):
        self.output = None
        self.process = subprocess.Popen(in_ns(ns, *command), text=True,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        for line in self.process.stdout:
            if ready in line:
                return
        self.process.wait()
        raise MeasureError(f"{program(command)} did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it, once, and returns the rest of what it printed."""
        if self.output is None:
            if self.process.poll() is None:
                self.process.terminate()
            try:
                self.output = self.process.communicate(timeout=5)[0]
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.output = self.process.communicate()[0]
        return self.output


# ---- CPU time and memory ---------------------------------------------------

TICK = os.sysconf("SC_CLK_TCK")


def daemons(work):
    """The peer's daemons: {pid: name}. A kernel peer has none."""
    try:
        with open(f"{work}/daemons") as f:
            pairs = [line.split() for line in f]
    except FileNotFoundError:
        return {}
    return {int(pid): name for pid, name in pairs}


def dead_daemons(work):
    return [name for pid, name in daemons(work).items()
            if not stat_fields(pid) or stat_fields(pid)[0] == "Z"]


def daemon_pids(work):
    """The peer's daemons and all their descendants."""
    pids = set(daemons(work))
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(entry)
            if fields:
                parents[int(entry)] = int(fields[1])
    grown = True
    while grown:
        children = {pid for pid, parent in parents.items() if parent in pids}
        grown = not children <= pids
        pids |= children
    return pids


def stat_fields(pid):
    """/proc/PID/stat from its third field (the state) on."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


class CpuMeter:
    """CPU seconds of the peer's daemons, and of the whole machine."""

    def __init__(self, work):
        self.pids = daemon_pids(work)
        self.start = self.read()

    def read(self):
        peer = 0
        for pid in self.pids:
            fields = stat_fields(pid)
            if fields:
                peer += int(fields[11]) + int(fields[12])
        with open("/proc/stat") as f:
            times = [int(n) for n in f.readline().split()[1:]]
        user, nice, system, idle, iowait, irq, softirq, steal = times[:8]
        busy = user + nice + system + irq + softirq
        return peer / TICK, busy / TICK, steal / TICK

    def seconds(self):
        return [now - then for now, then in zip(self.read(), self.start)]


def memory(site):
    """The sum of the daemons' peak resident sizes."""
    pids = daemon_pids(site.work)
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as f:
                match = re.search(r"VmHWM:\s+(\d+) kB", f.read())
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(match[1]) if match else 0
    return {"rss_mb": total / 1024} if pids else {}


def wire_counters(site):
    """Bytes and frames the underlay has carried from site A, or None where
    there is no underlay."""
    if site.topology == "local":
        return None
    counters = "/sys/class/net/under/statistics/tx_"
    out = run(site.site_a, "cat", counters + "bytes", counters + "packets",
              timeout=5)
    return [int(n) for n in out.split()]


def background_percent(seconds=0.5):
    """How busy the machine is with other things, between two peers."""
    meter = CpuMeter(work="")
    time.sleep(seconds)
    return 100 * meter.seconds()[1] / seconds / os.cpu_count()


# ---- the single measurements -----------------------------------------------

def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def ping(site, count):
    """Round trips in microseconds, one ping each 10 ms, and how many are lost."""
    out = run(site.end_a, "ping", "-n", "-i", "0.01", "-c", str(count), "-W", "1",
              OVER_B, timeout=count * 0.01 + 30)
    times = [float(ms) * 1000 for ms in re.findall(r"time=([\d.]+) ms", out)]
    if not times:
        raise MeasureError("no ping came back")
    return times, count - len(times)


def latency(name, times, lost):
    return {f"{name}_p50_us": percentile(times, 50),
            f"{name}_p99_us": percentile(times, 99),
            f"{name}_lost": lost}


def idle_latency(site, scale):
    return latency("rtt", *ping(site, scale.pings))


def exchange(site, scale):
    """Round trips of 64 bytes in UDP, one after the other without a pause; idle, and of an established flow."""
    if not shutil.which("sockperf"):
        raise MeasureError("no sockperf")
    seconds = str(max(scale.udp, 1))
    with Server(site.end_b, "sockperf", "server", "-i", OVER_B, "-p", str(UDP_PORT), ready="Warmup"):
        out = run(site.end_a, "sockperf", "ping-pong", "-i", OVER_B, "-p", str(UDP_PORT), "-m", str(SMALL),
                  "-t", seconds, "--full-rtt", timeout=30)
    found = {int(float(percent)): float(us) for percent, us in
             re.findall(r"percentile ([\d.]+) =\s+([\d.]+)", out)}
    if 50 not in found:
        raise MeasureError(f"sockperf: {out.strip()[-200:]}")
    return {"exchange_p50_us": found[50], "exchange_p99_us": float(
        re.findall(r"percentile 99\.000 =\s+([\d.]+)", out)[0])}


def iperf3_server(site):
    return Server(site.end_b, "iperf3", "-s", "-1", "-B", OVER_B, "--forceflush",
                  ready="Server listening")


def iperf3_client(site, seconds, streams):
    return ["iperf3", "-c", OVER_B, "-J", "-t", str(seconds), "-P", str(streams),
            "-C", site.congestion, "--connect-timeout", "3000"]


def tcp(site, seconds, streams):
    """Throughput, retransmissions and CPU cost of iperf3's TCP test."""
    name = f"tcp{streams}"
    with iperf3_server(site):
        meter, wire = CpuMeter(site.work), wire_counters(site)
        out = run(site.end_a, *iperf3_client(site, seconds, streams),
                  timeout=seconds + 20)
        peer, machine, steal = meter.seconds()
    try:
        end = json.loads(out)["end"]
        gb = end["sum_received"]["bytes"] / 1e9
        result = {
            f"{name}_gbps": end["sum_received"]["bits_per_second"] / 1e9,
            f"{name}_retransmits": end["sum_sent"]["retransmits"],
            f"{name}_machine_s_per_gb": machine / gb,
            f"{name}_steal_s": steal,
        }
        if meter.pids:
            result[f"{name}_daemon_s_per_gb"] = peer / gb
    except (ValueError, KeyError, ZeroDivisionError):
        raise MeasureError(f"iperf3 with {streams} streams: {out.strip()[-200:]}")
    if wire is not None:
        now = wire_counters(site)
        carried, frames = now[0] - wire[0], now[1] - wire[1]
        result[f"{name}_wire_bytes_per_byte"] = carried / (gb * 1e9)
        result[f"{name}_wire_frame_bytes"] = carried / max(frames, 1)
    return result


def loaded_latency(site, scale):
    """Pings while one TCP stream fills the path."""
    seconds = scale.pings // 100 + 2
    with iperf3_server(site):
        load = subprocess.Popen(
            in_ns(site.end_a, *iperf3_client(site, seconds, 1)),
            stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            result = latency("load", *ping(site, scale.pings))
            load.wait(timeout=seconds + 10)
        except subprocess.TimeoutExpired:
            raise MeasureError("iperf3 did not finish under pings")
        finally:
            load.kill()
            load.wait()
    return result


# One UDP run, packets a second and shares of 1.
Flood = collections.namedtuple("Flood", "sent delivered loss reordered")


def flood(site, size, seconds, rate=0):
    """One UDP run: packets per second sent and delivered, the lost share, and how
    many arrived after one that was sent later."""
    port = str(UDP_PORT)
    with Server(site.end_b, BLAST, "recv", OVER_B, port, ready="ready") as receiver:
        out = run(site.end_a, BLAST, "send", OVER_B, port, str(size), str(seconds),
                  str(rate), timeout=seconds + 20)
        time.sleep(0.3)             # let the queues drain
        received = receiver.stop()
    try:
        sent, got = json.loads(out), json.loads(received)
    except ValueError:
        raise MeasureError(f"udpblast: {(out + received).strip()[-200:]}")
    if not sent["packets"]:
        raise MeasureError("udpblast could not send anything")
    loss = 1 - got["packets"] / sent["packets"]
    over = max(got["seconds"], sent["seconds"])
    return Flood(sent["packets"] / sent["seconds"], got["packets"] / over,
                 max(loss, 0), got["reordered"])


def udp_large(site, scale):
    run = flood(site, LARGE, scale.udp)
    return {"udp1400_gbps": run.delivered * LARGE * 8 / 1e9,
            "udp1400_loss_percent": run.loss * 100,
            "udp1400_reordered": run.reordered}


def udp_small(site, scale):
    run = flood(site, SMALL, scale.udp)
    result = {"udp64_kpps": run.delivered / 1e3,
              "udp64_loss_percent": run.loss * 100,
              "udp64_reordered": run.reordered}
    if scale.trial:
        rate, reordered = clean_rate(site, run.sent, scale.trial)
        result.update({"clean64_kpps": rate / 1e3, "clean64_reordered": reordered})
    return result


def clean_rate(site, ceiling, seconds):
    """The highest rate of small packets that arrives with at most CLEAN_LOSS
    lost: unlike an unlimited flood, a rate one could run this peer at. Halves
    the range on a logarithmic scale, so it is good to about 3 %. And how many
    packets of all trials came out of order."""
    clean, lossy = ceiling / 64, ceiling
    found = reordered = 0
    for _ in range(CLEAN_TRIALS):
        rate = (clean * lossy) ** 0.5
        delivered, late = clean_trial(site, rate, seconds)
        reordered += late
        if delivered:
            clean, found = rate, max(found, delivered)
        else:
            lossy = rate
    return found, reordered


def clean_trial(site, rate, seconds):
    """What arrives at this rate, or 0 if too much is lost, and how many packets
    were out of order. Some loss gets a second chance: it may have been a hiccup
    of the machine."""
    reordered = 0
    for _ in range(2):
        run = flood(site, SMALL, seconds, rate)
        reordered += run.reordered
        if run.loss <= CLEAN_LOSS:
            return run.delivered, reordered
        if run.loss > HICCUP_LOSS:
            break
    return 0, reordered


def measure(site, scale):
    """All measurements: (metrics, notes). What fails is a note, not the end."""
    metrics, notes = {}, []
    steps = [
        lambda: idle_latency(site, scale),
        lambda: exchange(site, scale),
        lambda: tcp(site, scale.tcp, 1),
        lambda: tcp(site, scale.tcp, 4),
        lambda: loaded_latency(site, scale),
        lambda: udp_large(site, scale),
        lambda: udp_small(site, scale),
        lambda: memory(site),
    ]
    for step in steps:
        try:
            metrics.update(step())
        except MeasureError as error:
            notes.append(str(error))
    metrics["udp_reordered"] = sum(count for name, count in metrics.items()
                                   if name.endswith("_reordered"))
    notes += [f"{name} has died" for name in dead_daemons(site.work)]
    if metrics.get("tcp1_wire_frame_bytes", 0) > 1514:
        notes.append("frames of more than 1514 bytes cross the underlay")
    return metrics, notes


# ---- is the peer what it says? ---------------------------------------------

def verify(site):
    """What is wrong with the peer, as notes: packets of the full MTU have to
    pass; what is on the underlay has to be frames, not fragments, and readable
    exactly where the peer does not encrypt."""
    notes = []
    size = str(site.mtu - 28)
    out = run(site.end_a, "ping", "-n", "-c", "3", "-i", "0.1", "-W", "1",
              "-M", "do", "-s", size, OVER_B, timeout=15)
    if " 0% packet loss" not in out:
        notes.append(f"packets of its MTU ({site.mtu}) do not pass")
    if site.topology == "local":
        return notes
    frames = capture(site, PATTERN)
    readable = any(2 * PATTERN in frame for frame in frames)
    if not frames:
        notes.append("its traffic does not cross the underlay")
    elif readable and site.topology == "encrypted":
        notes.append("NOT ENCRYPTED: its payload is readable on the underlay")
    elif not readable and site.topology == "plain":
        notes.append("its payload is not readable on the underlay")
    if any(is_fragment(frame) for frame in frames):
        notes.append("it sends fragments over the underlay")
    return notes


def capture(site, pattern):
    """The underlay's frames while large pings with this pattern pass."""
    with socket_in(site.site_a, "under") as sock:
        run(site.end_a, "ping", "-n", "-c", "5", "-i", "0.05", "-W", "1", "-s",
            str(site.mtu - 28), "-p", pattern.hex(), OVER_B, timeout=15)
        frames = []
        sock.settimeout(0.2)
        try:
            while True:
                frames.append(sock.recv(65536))
        except socket.timeout:
            return [frame for frame in frames if len(frame) > 500]


def is_fragment(frame):
    ipv4 = frame[12:14] == b"\x08\x00"
    return ipv4 and int.from_bytes(frame[20:22], "big") & 0x3fff != 0


def socket_in(ns, device):
    """A packet socket on a device of another network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as ours, open(f"/run/netns/{ns}") as theirs:
        if libc.setns(theirs.fileno(), 0):
            raise MeasureError(f"cannot enter {ns}")
        try:
            eth_p_all = socket.htons(3)
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, eth_p_all)
            sock.bind((device, 3))
            return sock
        finally:
            libc.setns(ours.fileno(), 0)
