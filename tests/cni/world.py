"""A host with containers, and weft-cni run as a runtime would run it; for the tests beside this file.

World is a context: a namespace for the host with a fake weftd in it (or the socket of a real one), namespaces for containers
as they are asked for, a folder of IPAM plugins. All is called weft-cni-PID-* and goes away at the end. Nothing is done in the
machine's own namespace.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PLUGIN_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"]


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def find_plugin():
    folder = os.environ.get("WEFT_BIN")
    folders = [folder] if folder else [HERE.parent.parent / "build" / preset / "bin" for preset in ("dev", "release")]
    for candidate in folders:
        plugin = pathlib.Path(candidate) / "weft-cni"
        if plugin.exists():
            return str(plugin)
    return skip(f"no weft-cni in {' or '.join(map(str, folders))}")


class Answer:
    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds
        try:
            self.json = json.loads(text) if text.strip() else None
        except ValueError:
            self.json = text

    @property
    def code(self):
        return self.json.get("code", 0) if self.status and isinstance(self.json, dict) else 0

    def __str__(self):
        return f"status {self.status}, {self.text.strip() or 'nothing printed'}"


class World:
    def __init__(self):
        if os.geteuid() != 0:
            skip("needs root: it makes network namespaces")
        for tool in ("ip", "nsenter"):
            if not shutil.which(tool):
                skip(f"needs {tool}: scripts/packages test")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of __exit__
        self.plugin = find_plugin()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"weft-cni-{os.getpid()}-"))
        self.prefix = f"weft-cni-{os.getpid()}"
        self.namespaces = []
        self.daemon = None
        self.socket = str(self.folder / "weftd.sock")
        self.data = str(self.folder / "data")
        self.path = f"{self.folder}/plugins"
        (self.folder / "plugins").mkdir()
        for name in ("fake-ipam", "dhcp"):
            shutil.copy(HERE / "fake_ipam.py", f"{self.path}/{name}")

    def __enter__(self):
        self.host = self.container("host")
        self.start_daemon()
        return self

    def __exit__(self, *_):
        self.stop_daemon()
        for name in list(self.namespaces):
            self.remove_container(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Namespaces.

    def container(self, name):
        """The path of its namespace."""
        if name not in self.namespaces:
            subprocess.run(["ip", "netns", "add", f"{self.prefix}-{name}"], check=True)
            self.namespaces.append(name)
            self.inside(self.path_of(name), "ip", "link", "set", "lo", "up")
        return self.path_of(name)

    def path_of(self, name):
        return f"/run/netns/{self.prefix}-{name}"

    def remove_container(self, name):
        subprocess.run(["ip", "netns", "delete", f"{self.prefix}-{name}"], check=False)
        self.namespaces.remove(name)

    def inside(self, netns, *command, check=True):
        done = subprocess.run(["nsenter", f"--net={netns}", "--", *command], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def addresses(self, netns, device="eth0"):
        """Those that are not the link's own."""
        links = json.loads(self.inside(netns, "ip", "-j", "address", "show", "dev", device, check=False) or "[]")
        return [f"{a['local']}/{a['prefixlen']}" for link in links for a in link.get("addr_info", [])
                if not a["local"].startswith("fe80:")]

    def link(self, netns, device="eth0"):
        links = json.loads(self.inside(netns, "ip", "-j", "link", "show", "dev", device, check=False) or "[]")
        return links[0] if links else None

    def routes(self, netns):
        """{destination: gateway} of those that somebody has set."""
        found = {}
        for family in ("-4", "-6"):
            for route in json.loads(self.inside(netns, "ip", "-j", family, "route") or "[]"):
                if route.get("protocol") != "kernel":
                    found[("::/0" if family == "-6" else "0.0.0.0/0") if route["dst"] == "default" else route["dst"]] = \
                        route.get("gateway")
        return found

    # weftd.

    def start_daemon(self):
        self.daemon = subprocess.Popen(["nsenter", f"--net={self.host}", "--", sys.executable, HERE / "fake_weftd.py", self.socket])
        deadline = time.monotonic() + 10
        while True:
            try:
                self.ask("runtime_ports")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def stop_daemon(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None
        pathlib.Path(self.socket).unlink(missing_ok=True)

    def ask(self, method, /, **params):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall((json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n").encode())
            answer = json.loads(client.makefile().readline())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def ports(self):
        return self.ask("runtime_ports")["ports"]

    def owners(self):
        return sorted({lease["owner"] for pool in self.ask("ipam")["pools"] for lease in pool["leases"]})

    # The plugin.

    def configuration(self, **changes):
        """A sound one; a change to None takes the key away."""
        whole = {"cniVersion": "1.1.0", "name": "net", "type": "weft", "bridge": "pods", "control": self.socket,
                 "dataDir": self.data, **changes}
        return {key: value for key, value in whole.items() if value is not None}

    def call(self, verb, configuration, container="c1", **changes):
        """`changes` are variables of the environment; None: not set. A namespace of the container's name is made if CNI_NETNS is
        not among them."""
        variables = {"CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_IFNAME": "eth0", "CNI_PATH": self.path}
        if "CNI_NETNS" not in changes and verb in ("ADD", "CHECK", "DEL"):
            variables["CNI_NETNS"] = self.container(container)
        variables.update(changes)
        environment = {"PATH": os.environ["PATH"], **{key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")},
                       **{key: value for key, value in variables.items() if value is not None}}
        text = configuration if isinstance(configuration, str) else json.dumps(configuration)
        begin = time.monotonic()
        done = subprocess.run(["nsenter", f"--net={self.host}", "--", self.plugin], input=text, env=environment, capture_output=True,
                              text=True, timeout=60, check=False)
        if "Sanitizer" in done.stderr:
            raise AssertionError(done.stderr)
        return Answer(done.returncode, done.stdout, time.monotonic() - begin)
