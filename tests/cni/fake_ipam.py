#!/usr/bin/python3
"""An IPAM plugin that does what its configuration says, and writes each call into a file.

    "ipam": {"type": "fake-ipam", "log": FILE, "ADD": BEHAVIOR, "DEL": BEHAVIOR, ..}

A behavior: {"print": text or object, "status": number, "hang": seconds, "needs_interface": true}. Without one, ADD answers with
10.9.0.7/24 and a gateway, VERSION with what "speaks" says ("1.0.0" if it says nothing), and all else with nothing.
"""

import json
import os
import subprocess
import sys
import time

ADDRESSES = {"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.7/24", "gateway": "10.9.0.1"}],
             "dns": {"nameservers": ["10.9.0.1"]}}

configuration = json.load(sys.stdin)
command = os.environ["CNI_COMMAND"]
if command == "VERSION":
    # It is asked without our keys.
    print(json.dumps({"cniVersion": configuration["cniVersion"],
                      "supportedVersions": os.environ.get("FAKE_IPAM_SPEAKS", "1.0.0").split()}))
    sys.exit(0)
ipam = configuration["ipam"]
behavior = ipam.get(command, {"print": ADDRESSES} if command == "ADD" else {})
with open(ipam["log"], "a") as log:
    log.write(json.dumps({"command": command, "container": os.environ.get("CNI_CONTAINERID"), "ifname": os.environ.get("CNI_IFNAME"),
                          "netns": os.environ.get("CNI_NETNS"), "args": os.environ.get("CNI_ARGS"),
                          "prevResult": configuration.get("prevResult"), "name": configuration["name"]}) + "\n")
if behavior.get("needs_interface"):
    subprocess.run(["nsenter", f"--net={os.environ['CNI_NETNS']}", "--", "ip", "link", "show", os.environ["CNI_IFNAME"], "up"],
                   check=True, stdout=subprocess.DEVNULL)
if "hang" in behavior:
    time.sleep(behavior["hang"])
if "print" in behavior:
    output = behavior["print"]
    print(output if isinstance(output, str) else json.dumps(output))
sys.exit(behavior.get("status", 0))
