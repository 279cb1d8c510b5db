"""What weft-cni refuses, as a table: each with the code of the specification."""

import json

from scenarios import VERSIONS, expect, fails, scenario

VALID = {"cni.dev/valid-attachments": []}
# What is wrong, the verb, changes to the configuration (or its text), changes to the environment, the code, a word of the message.
REFUSALS = [
    ("no verb", None, {}, {"CNI_COMMAND": None}, 4, "CNI_COMMAND"),
    ("an unknown verb", "UPDATE", {}, {}, 4, "CNI_COMMAND"),
    ("a verb in small letters", "add", {}, {}, 4, "CNI_COMMAND"),
    *[(f"{verb} without a container", verb, VALID, {"CNI_CONTAINERID": None}, 4, "CNI_CONTAINERID") for verb in ("ADD", "DEL", "CHECK")],
    *[(f"{verb} without an interface", verb, VALID, {"CNI_IFNAME": None}, 4, "CNI_IFNAME") for verb in ("ADD", "DEL", "CHECK")],
    *[(f"{verb} without a namespace", verb, VALID, {"CNI_NETNS": None}, 4, "CNI_NETNS") for verb in ("ADD", "CHECK")],
    ("GC without a path", "GC", VALID, {"CNI_PATH": None}, 4, "CNI_PATH"),
    *[(f"the container '{name}'", "ADD", {}, {"CNI_CONTAINERID": name}, 4, "CNI_CONTAINERID")
      for name in ("-a", "a/b", "a b", ".", "ä", "a\nb")],
    *[(f"the interface '{name}'", "ADD", {}, {"CNI_IFNAME": name}, 4, "CNI_IFNAME")
      for name in ("a/b", "a:b", "a b", ".", "..", "a234567890123456")],
    ("a namespace that is not there", "ADD", {}, {"CNI_NETNS": "/run/netns/weft-none"}, 4, "CNI_NETNS"),
    ("a namespace that is a file", "ADD", {}, {"CNI_NETNS": "/etc/hostname"}, 4, "CNI_NETNS"),
    *[(f"CNI_ARGS {args}", "ADD", {}, {"CNI_ARGS": args}, 4, "CNI_ARGS")
      for args in ("IP", "=1", "IP=10.1.0.300", "MAC=01:00:5e:00:00:01", "MAC=x", "COLOR=red", "IgnoreUnknown=0;COLOR=red")],
    ("nothing on stdin", "ADD", "", {}, 6, "stdin"),
    ("no JSON", "ADD", "{", {}, 6, "JSON"),
    ("a list", "ADD", "[]", {}, 6, "JSON"),
    ("two objects", "ADD", "{}{}", {}, 6, "JSON"),
    ("bytes that are no UTF-8", "DEL", '{"name": "\udcff"}'.encode("utf-8", "surrogateescape").decode("latin-1"), {}, 1, "cniVersion"),
    ("a version that is a number", "ADD", {"cniVersion": 1}, {}, 6, "cniVersion"),
    *[(f"version {version}", "ADD", {"cniVersion": version}, {}, 1, "cniVersion")
      for version in ("0.1.0", "0.2.0", "0.3.0", "1.2.0", "2.0.0", "x", "")],
    ("no version", "ADD", {"cniVersion": None}, {}, 1, "cniVersion"),
    ("CHECK in 0.3.1", "CHECK", {"cniVersion": "0.3.1"}, {}, 1, "CHECK"),
    *[(f"{verb} in {version}", verb, {"cniVersion": version, **VALID}, {}, 1, verb) for verb in ("GC", "STATUS") for version in VERSIONS[:3]],
    *[(f"the network {name!r}", "ADD", {"name": name}, {}, 7, "name") for name in (None, "", "-a", "a/b", 7)],
    ("no bridge", "ADD", {"bridge": None}, {}, 7, "bridge"),
    *[(f"{key} {value!r}", verb, {key: value}, {}, 7, key) for verb in ("ADD", "STATUS") for key, value in (
        ("bridge", ""), ("bridge", 7), ("control", "weftd.sock"), ("mtu", 100), ("mtu", 65536), ("mtu", "1400"), ("mtu", -1), ("mtu", 1.5),
        ("hostInterface", ""), ("hostInterface", "none0"), ("vlan", 0), ("vlan", 4095), ("isolated", "yes"), ("spoofCheck", 1), ("dns", []), ("dns", {"nameservers": "10.1.0.1"}), ("ipam", "weft"),
        ("ipam", {"type": ""}), ("ipam", {"type": "../x"}), ("ipam", {"routes": {}}), ("ipam", {"routes": [{}]}),
        ("ipam", {"routes": [{"dst": "10.0.0.0/33"}]}), ("ipam", {"routes": [{"dst": "10.0.0.0/8", "gw": "fd00::1"}]}))],
    *[(f"{key} {value!r}", "ADD", {key: value}, {}, 2, f"{key}: {json.dumps(value, separators=(',', ':'))}") for key, value in (
        ("isolate", True), ("ipMasq", True), ("isGateway", True), ("hairpinMode", [1]))],
    ("a misspelt key of our IPAM", "ADD", {"ipam": {"type": "weft", "rout": []}}, {}, 2, "ipam.rout"),
    ("spoofCheck with dhcp", "ADD", {"spoofCheck": True, "ipam": {"type": "dhcp"}}, {}, 7, "spoofCheck"),
    *[(f"runtimeConfig {value}", "ADD", {"runtimeConfig": value}, {}, 7, "runtimeConfig") for value in (
        {"ips": "10.1.0.9"}, {"ips": [7]}, {"ips": ["10.1.0"]}, {"mac": "x"}, {"mac": "01:00:5e:00:00:01"}, {"mac": 7})],
    ("args.cni.ips of another kind", "ADD", {"args": {"cni": {"ips": ["x"]}}}, {}, 7, "args.cni.ips"),
    ("a bridge that weftd does not have", "ADD", {"bridge": "none", "ipam": {"pool": "pods"}}, {}, 100, "none"),
    ("a bridge without addresses", "ADD", {"bridge": "plain"}, {}, 100, "plain"),
    ("prevResult that is a text", "ADD", {"prevResult": "x"}, {}, 6, "prevResult"),
    ("CHECK without prevResult", "CHECK", {}, {}, 7, "prevResult"),
    ("CHECK with a prevResult without us", "CHECK", {"prevResult": {"interfaces": []}}, {}, 7, "prevResult"),
    ("GC without what is valid", "GC", {}, {}, 7, "valid-attachments"),
    ("GC with a text for what is valid", "GC", {"cni.dev/valid-attachments": "x"}, {}, 7, "valid-attachments"),
    ("GC with half an attachment", "GC", {"cni.dev/valid-attachments": [{"containerID": "c1"}]}, {}, 7, "ifname"),
    ("an IPAM plugin that is not there", "ADD", {"ipam": {"type": "none"}}, {}, 102, "CNI_PATH"),
    ("an IPAM plugin without a path", "ADD", {"ipam": {"type": "fake-ipam"}}, {"CNI_PATH": None}, 102, "CNI_PATH"),
    ("STATUS of a pool that is not there", "STATUS", {"bridge": "plain"}, {}, 50, "plain"),
]


@scenario("what cannot be is refused with the specification's code, and leaves nothing")
def refusals(world):
    failures = []
    for what, verb, changes, environment, code, word in REFUSALS:
        configuration = changes if isinstance(changes, str) else world.configuration(**changes)
        answer = world.call(verb, configuration, **environment)
        try:
            said = fails(answer, code)
            expect(word in said["msg"] + said.get("details", ""), f"wanted '{word}' in the message, got", answer)
            asked = changes.get("cniVersion", "1.1.0") if isinstance(changes, dict) else "1.1.0"
            expect(said["cniVersion"] == (asked if asked in VERSIONS else "1.1.0") or verb is None or answer.code == 4, "the version is", said["cniVersion"])
        except AssertionError as failure:
            failures.append(f"{what}: {failure}")
    expect(not failures, "\n  ".join(["", *failures]))
    expect(not world.ports() and not world.owners(), "left over:", world.ports(), world.owners())
    print(f"  {len(REFUSALS)} refusals")
