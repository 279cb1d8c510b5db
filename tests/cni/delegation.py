"""Addresses of another plugin: fake_ipam.py, and Debian's host-local and static if they are there."""

import json
import os
import pathlib

from scenarios import VERSIONS, expect, fails, scenario, succeeds
from world import PLUGIN_FOLDERS


class FakeIpam:
    def __init__(self, world, **behavior):
        self.log = pathlib.Path(world.folder) / "ipam.log"
        self.log.unlink(missing_ok=True)
        self.ipam = {"type": "fake-ipam", "log": str(self.log), **behavior}

    def calls(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def commands(self):
        return [call["command"] for call in self.calls()]


@scenario("an IPAM plugin gives addresses, is asked to check them and to take them back, each with what we were given")
def delegated(world):
    for version in VERSIONS:
        fake = FakeIpam(world)
        configuration = world.configuration(cniVersion=version, ipam=fake.ipam)
        result = succeeds(world.call("ADD", configuration, CNI_ARGS="IgnoreUnknown=1;A=b"))
        wanted = {"address": "10.9.0.7/24", "gateway": "10.9.0.1", "interface": 0}
        expect(result["ips"] == [wanted if version >= "1" else {**wanted, "version": "4"}], result)
        expect(result["dns"] == {"nameservers": ["10.9.0.1"]} and result["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}], result)
        expect(world.addresses(world.path_of("c1")) == ["10.9.0.7/24"] and not world.owners())
        with_result = {**configuration, "prevResult": result}
        if version != "0.3.1":
            succeeds(world.call("CHECK", with_result))
        succeeds(world.call("DEL", with_result))
        expect(fake.commands() == ["ADD", *(["CHECK"] if version != "0.3.1" else []), "DEL"], fake.calls())
        expect(fake.calls()[0]["args"] == "IgnoreUnknown=1;A=b" and fake.calls()[-1]["prevResult"] == result, fake.calls())
        expect(all(call["container"] == "c1" and call["netns"] == world.path_of("c1") for call in fake.calls()))


@scenario("dns and routes of the configuration go before the plugin's; without a gateway there is no default route")
def delegated_routes(world):
    answer = {"ips": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}], "routes": [{"dst": "10.0.0.0/8"}], "dns": {"domain": "theirs"}}
    configuration = world.configuration(ipam=FakeIpam(world, ADD={"print": answer}).ipam, dns={"domain": "ours"})
    result = succeeds(world.call("ADD", configuration))
    expect(result["routes"] == [{"dst": "10.0.0.0/8", "gw": "10.9.0.1"}] and result["dns"] == {"domain": "ours"}, result)
    succeeds(world.call("DEL", configuration))
    bare = {"ips": [{"address": "10.9.0.7/32"}, {"address": "fd00:9::7/64", "gateway": "fd00:9::1"}]}
    result = succeeds(world.call("ADD", world.configuration(ipam=FakeIpam(world, ADD={"print": bare}).ipam)))
    expect(result["routes"] == [{"dst": "::/0", "gw": "fd00:9::1"}], result)


@scenario("a plugin that fails is passed on in its own words, and asked to take back what it may have given")
def delegated_failures(world):
    refusal = {"cniVersion": "1.0.0", "code": 123, "msg": "no address left", "details": "in 10.9.0.0/24"}
    fake = FakeIpam(world, ADD={"print": refusal, "status": 1})
    said = fails(world.call("ADD", world.configuration(ipam=fake.ipam)), 123)
    expect("no address left" in said["msg"] and said["details"] == "in 10.9.0.0/24" and said["cniVersion"] == "1.1.0", said)
    expect(fake.commands() == ["ADD", "DEL"] and not world.ports(), fake.commands())
    for behavior in ({"print": "oops", "status": 3}, {"print": "oops"}, {"print": {"ips": [{"address": "x/y"}]}}, {"print": {"ips": {}}},
                     {"print": {"ips": [{"address": "10.9.0.7"}]}}, {"print": {"ips": [{"address": "10.9.0.7/24", "gateway": "fd00::1"}]}}):
        fake = FakeIpam(world, ADD=behavior)
        fails(world.call("ADD", world.configuration(ipam=fake.ipam)), 103)
        expect(not world.ports() and fake.commands() == ["ADD", "DEL"], behavior, fake.commands())
    for verb, result in (("CHECK", True), ("DEL", False)):
        fake = FakeIpam(world, **{verb: {"print": refusal, "status": 1}})
        added = succeeds(world.call("ADD", world.configuration(ipam=fake.ipam)))
        configuration = world.configuration(ipam=fake.ipam, **({"prevResult": added} if result else {}))
        fails(world.call(verb, configuration), 123)
        succeeds(world.call("DEL", world.configuration(ipam=FakeIpam(world).ipam)))
        expect(not world.ports())


@scenario("what a plugin has given is taken back if weftd cannot use it, but not from an attachment that is there")
def delegated_undo(world):
    fake = FakeIpam(world)
    fails(world.call("ADD", world.configuration(ipam=fake.ipam, bridge="none")), 100)
    expect(fake.commands() == ["ADD", "DEL"], fake.commands())
    fake = FakeIpam(world)
    succeeds(world.call("ADD", world.configuration(ipam=fake.ipam)))
    fails(world.call("ADD", world.configuration(ipam=fake.ipam, mtu=1200)), 100)
    expect(fake.commands() == ["ADD", "ADD"], fake.commands())
    fake = FakeIpam(world, ADD={"print": {"code": 100, "msg": "has one already"}, "status": 1})
    fails(world.call("ADD", world.configuration(ipam=fake.ipam)), 100)
    expect(fake.commands() == ["ADD"], fake.commands())


@scenario("a plugin that hangs is killed after ten seconds, with what it has started")
def delegated_hang(world):
    fake = FakeIpam(world, ADD={"hang": 60})
    answer = world.call("ADD", world.configuration(ipam=fake.ipam))
    fails(answer, 11)
    expect(9 < answer.seconds < 12, answer.seconds)
    expect(fake.commands() == ["ADD", "DEL"] and not world.ports(), fake.commands())
    script = pathlib.Path(world.path) / "forking-ipam"
    started = pathlib.Path(world.folder) / "started"
    script.write_text(f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\nsleep 61 &\necho $! >{started}\nwait\n")
    script.chmod(0o755)
    fails(world.call("ADD", world.configuration(ipam={"type": "forking-ipam"})), 11)
    child = pathlib.Path("/proc") / started.read_text().strip() / "cmdline"
    expect(not child.exists() or not child.read_text(), "its child goes on")
    print(f"  {answer.seconds:.1f} s")


@scenario("a plugin that leaves a process behind, says much or reads nothing is no reason to wait")
def delegated_oddities(world):
    script = pathlib.Path(world.path) / "odd-ipam"
    for body in ("sleep 5 2>&- & echo '{\"ips\":[{\"address\":\"10.9.0.7/24\"}]}'", "exec 0<&-; echo '{\"ips\":[{\"address\":\"10.9.0.7/24\"}]}'",
                 "printf '{\"ips\":[{\"address\":\"10.9.0.7/24\"}],\"x\":\"'; head -c 300000 /dev/zero | tr '\\0' a; echo '\"}'"):
        script.write_text(f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] || exit 0\n{body}\n")
        script.chmod(0o755)
        configuration = world.configuration(ipam={"type": "odd-ipam", "filler": "x" * 300000})
        answer = world.call("ADD", configuration)
        expect(succeeds(answer)["ips"][0]["address"] == "10.9.0.7/24", answer)
        expect(answer.seconds < 4, body, answer.seconds)
        succeeds(world.call("DEL", configuration))


@scenario("dhcp finds the interface there, and its addresses are set behind it; DEL asks it first")
def dhcp(world):
    fake = FakeIpam(world, ADD={"print": {"ips": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}], "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]},
                                "needs_interface": True}, DEL={"needs_interface": True})
    configuration = world.configuration(ipam={**fake.ipam, "type": "dhcp"})
    result = succeeds(world.call("ADD", configuration))
    (asked,) = [params for method, params in world.ask("calls")["calls"] if method == "port_add"]
    expect(asked["address"] == [] and asked["spoof_check"] is False, asked)
    expect(world.addresses(world.path_of("c1")) == ["10.9.0.7/24"] and world.routes(world.path_of("c1")) == {"0.0.0.0/0": "10.9.0.1"})
    succeeds(world.call("CHECK", {**configuration, "prevResult": result}))
    succeeds(world.call("DEL", configuration))
    expect(fake.commands() == ["ADD", "CHECK", "DEL"] and not world.ports(), fake.commands())
    fake = FakeIpam(world, ADD={"print": {"code": 110, "msg": "no server"}, "status": 1})
    fails(world.call("ADD", world.configuration(ipam={**fake.ipam, "type": "dhcp"})), 110)
    expect(fake.commands() == ["ADD", "DEL"] and not world.ports(), fake.commands())


@scenario("GC and STATUS reach a plugin that knows them; of another one GC takes back what had a port")
def delegated_gc(world):
    os.environ.pop("FAKE_IPAM_SPEAKS", None)
    for speaks, wanted in (("1.0.0 1.1.0", ["ADD", "STATUS", "GC"]), ("0.4.0", ["ADD", "DEL"])):
        fake = FakeIpam(world)
        configuration = world.configuration(ipam=fake.ipam)
        succeeds(world.call("ADD", configuration))
        succeeds(world.call("STATUS", configuration, FAKE_IPAM_SPEAKS=speaks))
        succeeds(world.call("GC", {**configuration, "cni.dev/valid-attachments": []}, CNI_CONTAINERID=None, CNI_IFNAME=None, FAKE_IPAM_SPEAKS=speaks))
        expect(fake.commands() == wanted and not world.ports(), fake.commands())
    expect(fake.calls()[-1]["container"] == "c1" and fake.calls()[-1]["ifname"] == "eth0", fake.calls())
    sick = FakeIpam(world, STATUS={"print": {"code": 51, "msg": "its server is away"}, "status": 1})
    fails(world.call("STATUS", world.configuration(ipam=sick.ipam), FAKE_IPAM_SPEAKS="1.1.0"), 51)
    fails(world.call("STATUS", world.configuration(ipam={"type": "none"})), 102)


@scenario("addresses of a plugin stay taken while weftd is away and may still use them")
def delegated_away(world):
    fake = FakeIpam(world)
    configuration = world.configuration(ipam=fake.ipam)
    succeeds(world.call("ADD", configuration))
    world.ask("misbehave", method="port_del", how="close")
    fails(world.call("DEL", configuration), 11)
    expect(fake.commands() == ["ADD"], fake.commands())
    succeeds(world.call("DEL", configuration, CNI_NETNS=""))
    expect(fake.commands() == ["ADD", "DEL"], fake.commands())


@scenario("Debian's host-local and static do their part")
def real_plugins(world):
    folder = next((folder for folder in PLUGIN_FOLDERS if os.access(f"{folder}/host-local", os.X_OK)), None)
    if not folder:
        return print("  SKIPPED: no host-local (package containernetworking-plugins)")
    local = {"type": "host-local", "dataDir": f"{world.folder}/host-local", "routes": [{"dst": "0.0.0.0/0"}],
             "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd00:9::/64"}]]}
    static = {"type": "static", "addresses": [{"address": "10.9.0.9/24", "gateway": "10.9.0.1"}]}
    for version in VERSIONS[:3]:
        for ipam, address in ((local, "10.9.0."), (static, "10.9.0.9/24")):
            configuration = world.configuration(cniVersion=version, ipam=ipam)
            result = succeeds(world.call("ADD", configuration, CNI_PATH=folder))
            expect(result["ips"][0]["address"].startswith(address) and result["routes"][0]["gw"] == "10.9.0.1", result)
            expect(world.addresses(world.path_of("c1"))[0].startswith(address))
            if version != "0.3.1":
                succeeds(world.call("CHECK", {**configuration, "prevResult": result}, CNI_PATH=folder))
            succeeds(world.call("DEL", configuration, CNI_PATH=folder))
            succeeds(world.call("DEL", configuration, CNI_PATH=folder))
    leases = [path for path in (pathlib.Path(world.folder) / "host-local" / "net").iterdir() if path.name.startswith(("10.", "fd"))]
    expect(not leases, leases)
    configuration = world.configuration(ipam=local)
    said = fails(world.call("ADD", configuration, CNI_PATH=folder), 1)
    expect("host-local" in said["msg"], said)
    return None
