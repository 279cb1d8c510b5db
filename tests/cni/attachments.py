"""ADD, CHECK, DEL, GC, STATUS and VERSION with weftd's own addresses."""

import json
import os

from scenarios import VERSIONS, expect, fails, scenario, succeeds
from world import PLUGIN_FOLDERS


@scenario("VERSION answers with the version it was asked in and all that are supported")
def version(world):
    for asked in [*VERSIONS, "0.1.0", "9.9.9"]:
        said = succeeds(world.call("VERSION", {"cniVersion": asked}, CNI_CONTAINERID=None, CNI_IFNAME=None, CNI_PATH=None))
        expect(said == {"cniVersion": asked, "supportedVersions": VERSIONS}, said)
    expect(succeeds(world.call("VERSION", ""))["cniVersion"] == "1.1.0")
    expect(succeeds(world.call("VERSION", "{}"))["cniVersion"] == "1.1.0")
    fails(world.call("VERSION", "{"), 6)


@scenario("ADD, CHECK and DEL in each version: the result has its form, and the namespace what the result says")
def life(world):
    for version_ in VERSIONS:
        configuration = world.configuration(cniVersion=version_, dns={"nameservers": ["10.1.0.53"], "search": ["example"]}, mtu=1380)
        result = succeeds(world.call("ADD", configuration))
        netns = world.path_of("c1")
        link = world.link(netns)
        interface = {"name": "eth0", "mac": link["address"], "sandbox": netns}
        ips = [{"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0},
               {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 0}]
        if version_ == "1.1.0":
            interface["mtu"] = 1380
        if version_ < "1":
            ips[0]["version"], ips[1]["version"] = "4", "6"
        expect(result == {"cniVersion": version_, "interfaces": [interface], "ips": ips,
                          "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd00:1::1"}],
                          "dns": {"nameservers": ["10.1.0.53"], "search": ["example"]}}, json.dumps(result))
        expect(world.addresses(netns) == ["10.1.0.2/24", "fd00:1::2/64"], world.addresses(netns))
        expect(world.routes(netns) == {"0.0.0.0/0": "10.1.0.1", "::/0": "fd00:1::1"}, world.routes(netns))
        expect(link["mtu"] == 1380 and "UP" in link["flags"], link)
        expect(world.owners() == ["net/c1/eth0"], world.owners())
        with_result = {**configuration, "prevResult": result}
        if version_ != "0.3.1":
            expect(succeeds(world.call("CHECK", with_result)) is None)
        expect(succeeds(world.call("DEL", with_result)) is None)
        expect(world.link(netns) is None and not world.ports() and not world.owners(), "left over:", world.ports(), world.owners())


@scenario("what weftd is asked for a port is what the configuration says, with the pod's names as labels")
def port(world):
    configuration = world.configuration(mtu=1300, vlan=10, isolated=True, spoofCheck=False, args={"cni": {
        "labels": [{"key": "app", "value": "web"}, {"key": "cni.network", "value": "forged"}, "x"]}, "other": 1})
    arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;COLOR=red"
    succeeds(world.call("ADD", configuration, CNI_ARGS=arguments))
    (asked,) = [params for method, params in world.ask("calls")["calls"] if method == "port_add"]
    name = asked.pop("name")
    expect(len(name) == 15 and name.startswith("cni-"), name)
    expect(asked == {"type": "veth", "netns": world.path_of("c1"), "device": "eth0", "bridge": "pods",
                     "address": ["10.1.0.2/24", "fd00:1::2/64"], "mtu": 1300, "vlan": 10, "isolated": True, "spoof_check": False,
                     "labels": {"cni.network": "net", "cni.container": "c1", "cni.ifname": "eth0", "app": "web", "K8S_POD_NAMESPACE": "default",
                                "K8S_POD_NAME": "web-0", "K8S_POD_INFRA_CONTAINER_ID": "c1"}}, asked)


@scenario("an address and a MAC may be asked for in three ways, of which the runtime's goes first")
def wishes(world):
    def wish(number):
        return {"ips": [f"10.1.0.{number}/24", f"fd00:1::{number}"], "mac": f"02:00:00:00:01:{number}"}
    variables = "IP=10.1.0.70;MAC=02:00:00:00:01:70"
    for changes, environment, number in (
            ({"runtimeConfig": wish(50), "args": {"cni": wish(60)}}, {"CNI_ARGS": variables}, 50),
            ({"args": {"cni": wish(60)}}, {"CNI_ARGS": variables}, 60),
            ({"runtimeConfig": {"ips": [], "mac": ""}}, {"CNI_ARGS": variables}, 70)):
        result = succeeds(world.call("ADD", world.configuration(**changes), **environment))
        expect(result["ips"][0]["address"] == f"10.1.0.{number}/24", result)
        expect(number == 70 or result["ips"][1]["address"] == f"fd00:1::{number}/64", result)
        expect(result["interfaces"][0]["mac"] == f"02:00:00:00:01:{number}" == world.link(world.path_of("c1"))["address"], result)
        succeeds(world.call("DEL", world.configuration()))
    succeeds(world.call("ADD", world.configuration(runtimeConfig=wish(50))))
    fails(world.call("ADD", world.configuration(runtimeConfig=wish(50)), container="c2"), 100)
    expect(world.owners() == ["net/c1/eth0"], world.owners())


@scenario("routes of the configuration take the place of the default route, in all their detail")
def routes(world):
    netns = world.container("c1")
    asked = [{"dst": "10.20.0.0/16"}, {"dst": "10.30.0.0/16", "gw": "192.0.2.9"}, {"dst": "fd00:2::/32", "mtu": 1290, "priority": 7},
             {"dst": "10.40.0.0/16", "table": 77}]
    result = succeeds(world.call("ADD", world.configuration(ipam={"routes": asked})))
    expect(result["routes"] == [{"dst": "10.20.0.0/16", "gw": "10.1.0.1"}, {"dst": "10.30.0.0/16", "gw": "192.0.2.9"},
                                {"dst": "fd00:2::/32", "gw": "fd00:1::1", "mtu": 1290, "priority": 7},
                                {"dst": "10.40.0.0/16", "gw": "10.1.0.1", "table": 77}], result["routes"])
    expect(world.routes(netns) == {"10.20.0.0/16": "10.1.0.1", "10.30.0.0/16": "192.0.2.9", "fd00:2::/32": "fd00:1::1"}, world.routes(netns))
    expect("10.40.0.0/16 via 10.1.0.1" in world.inside(netns, "ip", "route", "show", "table", "77"))
    expect("mtu 1290" in world.inside(netns, "ip", "-6", "route", "show", "fd00:2::/32"))
    succeeds(world.call("CHECK", world.configuration(ipam={"routes": asked}, prevResult=result)))
    succeeds(world.call("DEL", world.configuration()))
    old = succeeds(world.call("ADD", world.configuration(cniVersion="1.0.0", ipam={"routes": asked[2:3]})))
    expect(old["routes"] == [{"dst": "fd00:2::/32", "gw": "fd00:1::1"}], old["routes"])
    succeeds(world.call("DEL", world.configuration()))
    expect(succeeds(world.call("ADD", world.configuration(ipam={"routes": []})))["routes"] == [])
    expect(world.routes(netns) == {}, world.routes(netns))


@scenario("a second network leaves the first one's default route, and does not claim it")
def second_network(world):
    first = succeeds(world.call("ADD", world.configuration()))
    second_configuration = world.configuration(name="other", bridge="tiny")
    second = succeeds(world.call("ADD", second_configuration, CNI_IFNAME="net1"))
    expect(second["routes"] == [], second)
    expect(world.routes(world.path_of("c1"))["0.0.0.0/0"] == "10.1.0.1")
    succeeds(world.call("CHECK", {**second_configuration, "prevResult": second}, CNI_IFNAME="net1"))
    succeeds(world.call("DEL", second_configuration, CNI_IFNAME="net1"))
    succeeds(world.call("CHECK", world.configuration(prevResult=first)))


@scenario("the same ADD again gives the same result, another one fails and harms nothing")
def twice(world):
    first = succeeds(world.call("ADD", world.configuration()))
    expect(succeeds(world.call("ADD", world.configuration())) == first)
    fails(world.call("ADD", world.configuration(mtu=1200)), 100)
    succeeds(world.call("CHECK", world.configuration(prevResult=first)))
    expect(world.owners() == ["net/c1/eth0"], world.owners())


@scenario("CHECK finds what has changed, in the namespace and at weftd")
def check(world):
    netns = world.container("c1")
    changes = [("the MAC", ["ip", "link", "set", "eth0", "address", "02:00:00:00:07:77"]), ("the MTU", ["ip", "link", "set", "eth0", "mtu", "1350"]),
               ("an address", ["ip", "address", "delete", "10.1.0.2/24", "dev", "eth0"]), ("a route", ["ip", "route", "delete", "default"]),
               ("an IPv6 route", ["ip", "-6", "route", "delete", "default"]), ("the state", ["ip", "link", "set", "eth0", "down"]),
               ("the interface", ["ip", "link", "delete", "eth0"])]
    for what, command in changes:
        configuration = world.configuration(prevResult=succeeds(world.call("ADD", world.configuration())))
        succeeds(world.call("CHECK", configuration))
        world.inside(netns, *command)
        fails(world.call("CHECK", configuration), 104)
        succeeds(world.call("DEL", configuration))
    configuration = world.configuration(prevResult=succeeds(world.call("ADD", world.configuration())))
    fails(world.call("CHECK", {**configuration, "bridge": "plain"}), 104)
    fails(world.call("CHECK", configuration, CNI_NETNS="/run/netns/weft-none"), 104)
    world.ask("ipam_release", owner="net/c1/eth0")
    expect("lease" in fails(world.call("CHECK", configuration), 104)["msg"])
    world.ask("port_del", name=world.ports()[0]["name"])
    expect("no port" in fails(world.call("CHECK", configuration), 104)["msg"])
    print(f"  {len(changes) + 4} changes found")


@scenario("behind other plugins weft adds to their result; what has made its interface already is an error")
def chain(world):
    previous = {"cniVersion": "1.1.0", "interfaces": [{"name": "br0", "mac": "02:00:00:00:00:aa"}, {"name": "lo", "sandbox": "/x"}, {"name": "eth0"}],
                "ips": [{"address": "127.0.0.1/8", "interface": 1}], "routes": [{"dst": "10.99.0.0/16"}], "dns": {"nameservers": ["192.0.2.53"]}}
    result = succeeds(world.call("ADD", world.configuration(prevResult=previous)))
    expect(result["interfaces"][:3] == previous["interfaces"] and result["interfaces"][3]["name"] == "eth0", result)
    expect(result["ips"][0] == previous["ips"][0] and result["ips"][1]["interface"] == 3, result)
    expect(result["routes"][0] == {"dst": "10.99.0.0/16"} and len(result["routes"]) == 3 and result["dns"] == previous["dns"], result)
    # The chain's own additions behind us do not disturb a CHECK, but a route of prevResult that is nowhere does.
    fails(world.call("CHECK", world.configuration(prevResult=result)), 104)
    result["routes"].pop(0)
    result["interfaces"].append({"name": "ifb0"})
    succeeds(world.call("CHECK", world.configuration(prevResult=result)))
    succeeds(world.call("DEL", world.configuration(prevResult=result)))
    taken = {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": world.path_of("c1")}]}
    expect("first in the chain" in fails(world.call("ADD", world.configuration(prevResult=taken)), 7)["details"])
    expect(not world.ports() and not world.owners())


@scenario("a real portmap behind weft takes its result")
def portmap(world):
    folder = next((folder for folder in PLUGIN_FOLDERS if os.access(f"{folder}/portmap", os.X_OK)), None)
    if not folder:
        return print("  SKIPPED: no portmap (package containernetworking-plugins)")
    result = succeeds(world.call("ADD", world.configuration(cniVersion="1.0.0")))
    for verb in ("ADD", "DEL"):
        world.plugin, ours = f"{folder}/portmap", world.plugin
        answer = world.call(verb, {"cniVersion": "1.0.0", "name": "net", "type": "portmap", "prevResult": result, "runtimeConfig": {}})
        world.plugin = ours
        succeeds(answer)
        expect(verb == "DEL" or answer.json["ips"] == result["ips"], answer)
    succeeds(world.call("DEL", world.configuration(prevResult=result)))
    return None


@scenario("GC takes away what is not valid of its own network, ports and leases")
def garbage(world):
    for name, container, ifname in (("net", "c1", "eth0"), ("net", "c1", "eth1"), ("net", "c2", "eth0"), ("other", "c3", "eth0")):
        succeeds(world.call("ADD", world.configuration(name=name), container=container, CNI_IFNAME=ifname))
    world.ask("ipam_allocate", pool="pods", owner="net/c9/eth0")
    world.ask("ipam_allocate", pool="pods", owner="network/c9/eth0")

    def gc(valid, **more):
        configuration = {**world.configuration(**more), "cni.dev/valid-attachments": valid}
        return world.call("GC", configuration, CNI_CONTAINERID=None, CNI_IFNAME=None)
    expect(succeeds(gc([{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c8", "ifname": "eth0"}])) is None)
    expect(world.owners() == ["net/c1/eth0", "network/c9/eth0", "other/c3/eth0"], world.owners())
    expect(len(world.ports()) == 2, world.ports())
    expect(world.link(world.path_of("c2")) is None and world.link(world.path_of("c1")) is not None)
    succeeds(gc([{"containerID": "c1", "ifname": "eth0"}]))
    world.ask("misbehave", method="port_del", how="failed")
    fails(gc(None), 100)
    world.ask("misbehave", method="port_del", how="")
    succeeds(gc(None))
    succeeds(gc([], name="never-seen"))
    expect(world.owners() == ["network/c9/eth0", "other/c3/eth0"], world.owners())


@scenario("STATUS is 50 if the next ADD has no address, and 51 if the containers have lost their gateway")
def status(world):
    expect(succeeds(world.call("STATUS", world.configuration(), CNI_CONTAINERID=None, CNI_IFNAME=None, CNI_PATH=None)) is None)
    tiny = world.configuration(name="small", bridge="tiny")
    for container in ("c1", "c2"):
        succeeds(world.call("STATUS", tiny))
        succeeds(world.call("ADD", tiny, container=container))
    fails(world.call("STATUS", tiny), 50)
    fails(world.call("ADD", tiny, container="c3"), 100)
    world.ask("forget_pools")
    fails(world.call("STATUS", tiny), 51)
    fails(world.call("STATUS", world.configuration()), 50)
