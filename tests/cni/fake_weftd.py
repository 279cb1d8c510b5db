#!/usr/bin/python3
"""weftd's control socket, as far as weft-cni uses it, with veth pairs that lead nowhere in place of ports.

    fake_weftd.py SOCKET        serves until it is terminated; to be run in a network namespace of its own

One pool, "pods", of 10.1.0.0/24 and fd00:1::/64, and "tiny" with room for two. Beside weftd's methods there is `misbehave
{"method", "how"}`: from then on the method answers as told: "busy", "invalid", "failed", "silent", "drip" (a byte each
tenth of a second), "garbage", "close"; "" is the usual. `forget_pools {}` takes the gateways away, `calls {}` lists what was
asked.
"""

import ipaddress
import json
import os
import socket
import subprocess
import sys
import threading
import time

INVALID, FAILED, BUSY = -32602, -32603, -32000


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def ip(*arguments, netns=None):
    enter = ["nsenter", f"--net={netns}", "--"] if netns else []
    done = subprocess.run([*enter, "ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refusal(FAILED, f"cannot ip {' '.join(arguments)}: {done.stderr.strip()}")


class Pool:
    def __init__(self, *gateways, most=1 << 30):
        self.gateways = [ipaddress.ip_interface(gateway) for gateway in gateways]
        self.most = most
        self.leases = {}  # owner -> addresses

    def taken(self):
        return {address.ip for addresses in self.leases.values() for address in addresses}

    def allocate(self, owner, asked):
        if owner in self.leases:
            return self.leases[owner]
        if len(self.leases) >= self.most:
            raise Refusal(FAILED, "the pool has no address left")
        given = []
        for gateway in self.gateways:
            wanted = [a for a in asked if a in gateway.network]
            host = wanted[0] if wanted else gateway.ip + 1
            while not wanted and host in self.taken():
                host += 1
            if host in self.taken() or host == gateway.ip:
                raise Refusal(FAILED, f"{host} is taken")
            given.append(ipaddress.ip_interface(f"{host}/{gateway.network.prefixlen}"))
        self.leases[owner] = given
        return given


class Weftd:
    def __init__(self):
        self.lock = threading.RLock()
        self.ports = {}
        self.pools = {"pods": Pool("10.1.0.1/24", "fd00:1::1/64"), "tiny": Pool("10.2.0.1/24", most=2)}
        self.bridges = {"pods", "tiny", "plain"}
        self.manners = {}
        self.asked = []
        self.count = 0

    def port_add(self, wanted):
        name = wanted["name"]
        if name in self.ports:
            if self.ports[name]["wanted"] == wanted:
                return self.ports[name]["answer"]
            raise Refusal(FAILED, f"there is another port {name}")
        if wanted["bridge"] not in self.bridges:
            raise Refusal(FAILED, f"no bridge {wanted['bridge']}")
        self.count += 1
        host_end, device, netns = f"h{self.count}", wanted["device"], wanted["netns"]
        mac = wanted.get("mac", f"02:00:00:00:00:{self.count:02x}")
        mtu = wanted.get("mtu", 1400)
        with open(netns) as descriptor:
            ip("link", "add", host_end, "mtu", str(mtu), "type", "veth", "peer", "name", device, "address", mac, "mtu", str(mtu),
               "netns", f"/proc/{os.getpid()}/fd/{descriptor.fileno()}")
        for address in wanted["address"]:
            ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []), netns=netns)
        ip("link", "set", device, "up", netns=netns)
        ip("link", "set", host_end, "up")
        pool = self.pools.get(wanted["bridge"])
        answer = {"name": name, "device": device, "bridge": wanted["bridge"], "mtu": mtu, "mac": mac,
                  "address": wanted["address"], "gateway": [str(g) for g in pool.gateways] if pool else []}
        self.ports[name] = {"wanted": wanted, "answer": answer, "host_end": host_end}
        return answer

    def port_del(self, wanted):
        port = self.ports.pop(wanted["name"], None)
        if port:
            subprocess.run(["ip", "link", "delete", port["host_end"]], capture_output=True)
        return {"removed": port is not None}

    def runtime_ports(self, _):
        return {"ports": [{**{key: port["answer"][key] for key in ("name", "device", "bridge", "mac", "mtu", "address")},
                           "netns": port["wanted"]["netns"], "labels": port["wanted"].get("labels", {})}
                          for port in self.ports.values()]}

    def ipam_allocate(self, wanted):
        pool = self.pools.get(wanted["pool"])
        if not pool:
            raise Refusal(FAILED, f"the bridge {wanted['pool']} has no gateway, and so no addresses")
        asked = [ipaddress.ip_address(address) for address in wanted.get("address", [])]
        return {"address": [str(address) for address in pool.allocate(wanted["owner"], asked)],
                "gateway": [str(gateway.ip) for gateway in pool.gateways]}

    def ipam_release(self, wanted):
        return {"released": any([pool.leases.pop(wanted["owner"], None) is not None for pool in self.pools.values()])}

    def ipam(self, _):
        return {"pools": [{"pool": name, "prefix": str(gateway.network), "size": min(pool.most, 253), "used": len(pool.leases),
                           "leases": [{"address": str(a.ip), "owner": owner} for owner, addresses in pool.leases.items()
                                      for a in addresses if a in gateway.network]}
                          for name, pool in self.pools.items() for gateway in pool.gateways]}

    def forget_pools(self, _):
        self.pools = {}
        return {}

    def misbehave(self, wanted):
        self.manners[wanted["method"]] = wanted["how"]
        return {}

    def calls(self, _):
        return {"calls": self.asked}

    def answer(self, request):
        method, params = request["method"], request.get("params") or {}
        handler = getattr(self, method, None)
        with self.lock:
            if method not in ("misbehave", "calls"):
                self.asked.append([method, params])
            try:
                how = self.manners.get(method)
                if how in ("busy", "invalid", "failed"):
                    raise Refusal({"busy": BUSY, "invalid": INVALID, "failed": FAILED}[how], f"told to be {how}")
                if not handler:
                    raise Refusal(-32601, f"no method {method}")
                return {"jsonrpc": "2.0", "id": request["id"], "result": handler(params)}
            except Refusal as refusal:
                return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": refusal.code, "message": str(refusal)}}

    def serve(self, client):
        with client, client.makefile("r") as lines:
            for line in lines:
                request = json.loads(line)
                how = self.manners.get(request["method"])
                if how == "silent":
                    continue
                if how == "close":
                    return
                text = "220 hello\n" if how == "garbage" else json.dumps(self.answer(request)) + "\n"
                try:
                    if how == "drip":
                        for byte in " " * 1000:
                            client.sendall(byte.encode())
                            time.sleep(0.1)
                    client.sendall(text.encode())
                except OSError:
                    return


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    weftd = Weftd()
    while True:
        client, _ = listener.accept()
        threading.Thread(target=weftd.serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
