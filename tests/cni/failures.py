"""What is half there, in the way, gone, away, slow or mad."""

import json
import os
import pathlib
import subprocess

from refusals import VALID
from scenarios import expect, fails, scenario, succeeds


@scenario("the host's own namespace is refused")
def own_namespace(world):
    fails(world.call("ADD", world.configuration(), CNI_NETNS=world.host), 4)


@scenario("an interface that is there already is an error, and what was begun is undone")
def occupied(world):
    world.inside(world.container("c1"), "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
    fails(world.call("ADD", world.configuration()), 100)
    expect(not world.ports() and not world.owners())
    # The namespace refuses this route: it leads to an address of its own.
    fails(world.call("ADD", world.configuration(ipam={"routes": [{"dst": "10.9.0.0/16", "gw": "127.0.0.1"}]}), container="c2"), 101)
    expect(not world.ports() and not world.owners(), world.ports(), world.owners())
    expect(world.link(world.path_of("c2")) is None)


@scenario("DEL never needs anything: twice, before ADD, without namespace, without prevResult, with a changed configuration")
def deletions(world):
    succeeds(world.call("DEL", world.configuration()))
    for environment in ({"CNI_NETNS": ""}, {"CNI_NETNS": None}, {"CNI_NETNS": "/run/netns/weft-none"}, {"CNI_NETNS": "/etc/hostname"},
                        {"CNI_PATH": None}, {"CNI_ARGS": "x;;=y"}):
        succeeds(world.call("ADD", world.configuration()))
        succeeds(world.call("DEL", world.configuration(), **environment))
        expect(not world.ports() and not world.owners(), environment, world.ports(), world.owners())
        succeeds(world.call("DEL", world.configuration(), **environment))
    for changes in ({"bridge": None}, {"bridge": "gone"}, {"mtu": "x", "surprise": 1}, {"prevResult": "x"}, {"cniVersion": "0.3.1"}):
        succeeds(world.call("ADD", world.configuration()))
        succeeds(world.call("DEL", world.configuration(**changes)))
        expect(not world.ports() and not world.owners(), changes, world.ports(), world.owners())
    succeeds(world.call("ADD", world.configuration()))
    world.remove_container("c1")
    succeeds(world.call("DEL", world.configuration(), CNI_NETNS=world.path_of("c1")))
    expect(not world.ports() and not world.owners())


@scenario("DEL takes away its own attachment and no other's")
def neighbors(world):
    others = [("net", "c1", "eth1"), ("net", "c2", "eth0"), ("other", "c1", "eth2")]
    for name, container, ifname in [("net", "c1", "eth0"), *others]:
        succeeds(world.call("ADD", world.configuration(name=name), container=container, CNI_IFNAME=ifname))
    succeeds(world.call("DEL", world.configuration()))
    expect(world.owners() == sorted("/".join(other) for other in others), world.owners())
    expect(len(world.ports()) == 3, world.ports())


@scenario("while weftd is away: ADD and CHECK 11, STATUS 50, GC 11, DEL 11 if there is a namespace")
def away(world):
    result = succeeds(world.call("ADD", world.configuration()))
    world.stop_daemon()
    for control in (world.socket, None):
        fails(world.call("ADD", world.configuration(control=control), container="c2"), 11)
        fails(world.call("CHECK", world.configuration(control=control, prevResult=result)), 11)
        fails(world.call("STATUS", world.configuration(control=control)), 50)
        fails(world.call("GC", world.configuration(control=control, **VALID)), 11)
        fails(world.call("DEL", world.configuration(control=control)), 11)
    succeeds(world.call("VERSION", world.configuration()))


@scenario("a DEL that failed while weftd was away is made up for, though nobody asks again")
def not_asked_again(world):
    succeeds(world.call("ADD", world.configuration()))
    for method in ("port_del", "ipam_release"):
        world.ask("misbehave", method=method, how="close")
    for _ in range(2):
        fails(world.call("DEL", world.configuration()), 11)
    for method in ("port_del", "ipam_release"):
        world.ask("misbehave", method=method, how="")
    succeeds(world.call("STATUS", world.configuration(name="other")))
    expect(not world.ports() and not world.owners() and world.link(world.path_of("c1")) is None)
    expect(not list(pathlib.Path(world.data).iterdir()))


@scenario("a DEL without namespace while weftd is away succeeds, and is made up for by the next call")
def pending(world):
    for next_call in (lambda: world.call("STATUS", world.configuration()), lambda: world.call("ADD", world.configuration()),
                      lambda: world.call("GC", world.configuration(**{"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}))):
        world.start_daemon() if not world.daemon else None
        succeeds(world.call("ADD", world.configuration()))
        # A daemon that is away and keeps its state: its methods do not answer.
        for method in ("port_del", "ipam_release"):
            world.ask("misbehave", method=method, how="close")
        succeeds(world.call("DEL", world.configuration(), CNI_NETNS=""))
        expect(world.owners() == ["net/c1/eth0"])
        (waiting,) = pathlib.Path(world.data).iterdir()
        # It does not settle while the daemon is away, and does not stand in the way.
        succeeds(world.call("STATUS", world.configuration()))
        expect(waiting.exists())
        for method in ("port_del", "ipam_release"):
            world.ask("misbehave", method=method, how="")
        succeeds(next_call())
        expect(not list(pathlib.Path(world.data).iterdir()))
        ports = {port["labels"]["cni.container"] for port in world.ports()}
        expect(ports == set(world.owners() and ["c1"]), ports, world.owners())
        succeeds(world.call("DEL", world.configuration()))
        expect(not world.ports() and not world.owners())


@scenario("a removal waits for its own weftd, and one that makes no sense for nobody")
def pending_elsewhere(world):
    pathlib.Path(world.data).mkdir()
    for name, text in (("a", json.dumps({"control": "/run/weft/other.sock", "port": "p", "owner": "o"})), ("b", "{"), ("c", "[]"), ("d", "")):
        (pathlib.Path(world.data) / f"{name}.removal").write_text(text)
    succeeds(world.call("ADD", world.configuration()))
    expect(not [call for call in world.ask("calls")["calls"] if call[0] == "port_del"])
    expect(len(list(pathlib.Path(world.data).iterdir())) == 4)


@scenario("what weftd answers becomes a code: busy 11, refused 7, failed 100, nonsense 11")
def manners(world):
    for how, code in (("busy", 11), ("invalid", 7), ("failed", 100), ("garbage", 11), ("close", 11)):
        for method in ("ipam_allocate", "port_add"):
            world.ask("misbehave", method=method, how=how)
            fails(world.call("ADD", world.configuration()), code)
            world.ask("misbehave", method=method, how="")
            expect(not world.ports() and not world.owners(), how, method, world.ports(), world.owners())
    world.ask("misbehave", method="ipam", how="failed")
    fails(world.call("STATUS", world.configuration()), 100)


@scenario("a weftd that does not answer, or not to the end, is waited for no longer than ten seconds")
def patience(world):
    for how in ("silent", "drip"):
        world.ask("misbehave", method="port_add", how=how)
        answer = world.call("ADD", world.configuration())
        fails(answer, 11)
        expect(9 < answer.seconds < 12, how, answer.seconds)
    print(f"  {answer.seconds:.1f} s")


@scenario("stdin that does not end is waited for no longer than ten seconds")
def endless(world):
    environment = {"CNI_COMMAND": "STATUS", "PATH": os.environ["PATH"]}
    with subprocess.Popen([world.plugin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True) as plugin:
        plugin.stdin.write("{")
        plugin.stdin.flush()
        said = json.loads(plugin.stdout.read())
        plugin.wait()
    expect(plugin.returncode == 1 and said["code"] == 5, said)
