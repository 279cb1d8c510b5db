#!/usr/bin/python3
"""weft-cni under libcni, the library of the container runtimes: a small program in Go (libcni/main.go) does ADD, CHECK and DEL of
cni/10-weft.conflist.example, portmap included, in each version that the library and weft both know.

Skipped without go and Debian's golang-github-appc-cni-dev (scripts/packages cni); without a portmap the chain has weft alone.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from scenarios import expect
from world import HERE, PLUGIN_FOLDERS, World, skip

GOPATH = "/usr/share/gocode"


def build(folder):
    if not shutil.which("go") or not pathlib.Path(GOPATH, "src/github.com/containernetworking/cni/libcni").is_dir():
        skip("needs go and golang-github-appc-cni-dev: scripts/packages cni")
    # Debian's Go packages are for GOPATH, and go wants its own source below it.
    source = folder / "go/src/libcni-driver"
    source.mkdir(parents=True)
    shutil.copy(HERE / "libcni/main.go", source)
    driver = folder / "libcni-driver"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": f"{folder}/go:{GOPATH}", "GOFLAGS": "-p=1", "CGO_ENABLED": "0",
                   "GOCACHE": os.environ.get("GOCACHE", f"{folder}/go-cache")}
    subprocess.run(["go", "build", "-o", driver, "."], cwd=source, env=environment, check=True)
    return driver


def main():
    with World() as world:
        driver = build(world.folder)
        shutil.copy(world.plugin, f"{world.path}/weft")
        folder = next((folder for folder in PLUGIN_FOLDERS if os.access(f"{folder}/portmap", os.X_OK)), None)
        conflist = json.loads((HERE.parent.parent / "cni/10-weft.conflist.example").read_text())
        conflist["plugins"][0].update({"control": world.socket, "dataDir": world.data})
        if not folder:
            print("without portmap (package containernetworking-plugins)")
            conflist["plugins"].pop()
        for version in ("0.3.1", "0.4.0", "1.0.0"):
            conflist["cniVersion"] = version
            path = world.folder / "10-weft.conflist"
            path.write_text(json.dumps(conflist))
            container = f"c{version.replace('.', '')}"
            netns = world.container(container)
            done = subprocess.run(["nsenter", f"--net={world.host}", "--", driver, path, world.folder / "cache", container, netns],
                                  env={**os.environ, "CNI_PATH": f"{world.path}:{folder}"}, capture_output=True, text=True, timeout=120, check=False)
            print(f"--- {version}\n{done.stdout}{done.stderr}", end="")
            expect(done.returncode == 0, "it failed")
            expect('"address":"10.1.0.99/24"' in done.stdout and "02:00:00:00:0c:01" in done.stdout, "not what was asked for")
            expect(not world.ports() and not world.owners(), "left over:", world.ports(), world.owners())


if __name__ == "__main__":
    try:
        main()
    except AssertionError as failure:
        print(f"FAILED: {failure}")
        sys.exit(1)
