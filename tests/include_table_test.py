#!/usr/bin/python3
"""Holds the code to the table of DESIGN.md: which folder may include what, and which library may link which.

    include_table_test.py [ROOT]     checks the project at ROOT; prints FILE:LINE: what and why for each breach
    include_table_test.py --self     breaks every rule once in a made-up tree and expects to be told of each

Both the #include lines and the edges of the CMake libraries are checked. A header in <> or "" is one of: the project's own
(by its first folder), a library's (by its path), the kernel's or libc's (listed by folder), or the C++ standard library's.
"""

import pathlib
import re
import sys
import tempfile

# What the files of a folder may include: folders of the project, and libraries by name.
ALLOWED = {
    "crypto": {"crypto", "std", "posix", "openssl"},
    "vswitch": {"vswitch", "std", "posix", "kernel", "boost-unordered"},
    "overlay": {"overlay", "vswitch", "crypto", "std", "posix", "kernel", "boost-unordered"},
    "config": {"config", "vswitch/address.h", "vswitch/id.h", "vswitch/emulation/impairment.h", "crypto", "std", "posix", "tomlplusplus", "fmt"},
    "cli": {"cli", "config", "overlay", "vswitch", "crypto", "std", "posix", "kernel", "fmt", "spdlog", "cli11", "json",
            "systemd", "seccomp", "openssl"},
    "cni": {"cni", "cli/client.h", "cli/rpc.h", "vswitch", "std", "posix", "kernel", "fmt", "json"},
    "lab": {"lab", "cli", "config", "overlay", "vswitch", "crypto", "std", "posix", "kernel", "fmt", "spdlog", "cli11", "json",
            "tomlplusplus"},
    "tests": {"tests", "lab", "cni", "cli", "config", "overlay", "vswitch", "crypto", "std", "posix", "kernel", "fmt", "spdlog", "json",
              "openssl", "doctest"},
    "bench": {"bench", "tests", "overlay", "vswitch", "crypto", "std", "posix", "kernel", "benchmark"},
}

# What the files of a subfolder may include of their own folder, beside what it holds itself.
WITHIN = {
    "lab/file": {"lab/topology.h", "lab/disjoint_sets.h"},
    "lab/graph": {"lab/topology.h"},
    "lab/simulation": {"lab/topology.h", "lab/network.h", "lab/agenda.h", "lab/events.h", "lab/apply_action.h", "lab/switch_loop.h",
                       "lab/pcapng.h", "lab/file/topology_file.h"},
}

# A library that only one file, or a pair, may see.
SOLE_USERS = {
    "libnl": {"vswitch/netlink.cpp"},
    "libnftables": {"vswitch/nat_table.cpp"},
    "libbpf": {"vswitch/fast_path.cpp", "vswitch/fast_path_kernel.cpp", "vswitch/fast_flows.cpp", "vswitch/probe_flow.cpp",
               "vswitch/uplink_probe.cpp", "vswitch/port_hooks.cpp", "vswitch/early_drop.cpp", "vswitch/bpf_support.h", "vswitch/bpf_support.cpp",
               "vswitch/bpf/port.bpf.c", "vswitch/bpf/uplink.bpf.c"},
    "libipsec-mb": {"crypto/aead_ipsec_mb.cpp"},
    "uv": {"cli/loop.h", "cli/loop.cpp"},
    "seccomp": {"cli/sandbox.cpp"},
}

# The libraries of a folder and what each may link. fmt and Threads are as good as standard.
LINKS = {
    "weft_crypto": {"OpenSSL::Crypto", "ipsec_mb"},
    "weft_vswitch": {"PkgConfig::LIBNL", "PkgConfig::LIBBPF", "${CMAKE_DL_LIBS}"},
    "weft_overlay": {"weft_vswitch", "weft_crypto"},
    "weft_config": {"weft_vswitch", "weft_crypto", "tomlplusplus::tomlplusplus"},
    # cli/ may link all the others, and so goes over them in a loop.
    "weft_cli": {"weft_config", "weft_overlay", "weft_vswitch", "weft_crypto", "weft_${library}", "PkgConfig::LIBUV",
                 "PkgConfig::SYSTEMD", "PkgConfig::SECCOMP", "OpenSSL::Crypto", "spdlog::spdlog", "CLI11::CLI11",
                 "nlohmann_json::nlohmann_json"},
    "weft_cni": {"weft_cli", "weft_vswitch", "nlohmann_json::nlohmann_json"},
    "weft_lab": {"weft_cli", "weft_config", "weft_overlay", "weft_vswitch", "weft_crypto", "tomlplusplus::tomlplusplus",
                 "CLI11::CLI11", "nlohmann_json::nlohmann_json"},
}
EVERYONE_LINKS = {"fmt::fmt", "Threads::Threads"}

LIBRARIES = [
    ("openssl", r"openssl/"),
    ("libnl", r"netlink/"),
    ("libnftables", r"nftables/"),
    ("libbpf", r"bpf/"),
    ("libipsec-mb", r"intel-ipsec-mb\.h$"),
    ("uv", r"uv(\.h$|/)"),
    ("tomlplusplus", r"toml\+\+/"),
    ("fmt", r"fmt/"),
    ("spdlog", r"spdlog/"),
    ("cli11", r"CLI/"),
    ("json", r"nlohmann/"),
    ("systemd", r"systemd/"),
    ("seccomp", r"seccomp\.h$"),
    ("boost-unordered", r"boost/unordered/"),  # header-only, and the hash table that the standard library lacks
    ("doctest", r"doctest(/|\.h$)"),
    ("benchmark", r"benchmark/"),
    ("kernel", r"(linux|asm|asm-generic|net|netinet|netpacket)/"),
    ("posix", r"(sys|arpa|bits)/|[a-z0-9_]+\.h$"),
    ("std", r"[a-z0-9_]+$"),
]

INCLUDE = re.compile(r'^\s*#\s*(?:include|include_next|import)\s*([<"])([^>"]+)[>"]')
SOURCES = {".h", ".hpp", ".cpp", ".cc", ".c", ".inc"}


def kind(bracket, header, root):
    """The name under which ALLOWED knows a header; None if nothing does."""
    if bracket == '"' or (root / header).exists():
        return header.split("/")[0] if "/" in header else None
    for name, pattern in LIBRARIES:
        if re.match(pattern, header):
            return name
    return None


def check_file(path, root):
    relative = path.relative_to(root).as_posix()
    folder = relative.split("/")[0]
    allowed = ALLOWED[folder]
    subfolder = relative.rsplit("/", 1)[0]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, header = match.groups()
        where = f"{relative}:{number}: includes {header}"
        name = kind(bracket, header, root)
        if name is None:
            yield f"{where}: neither a path from the project's root nor a known library"
        elif bracket == '"' and not (root / header).is_file():
            yield f"{where}: there is no such file; includes are written from the project's root"
        elif name in SOLE_USERS:
            if relative not in SOLE_USERS[name]:
                yield f"{where}: only {' and '.join(sorted(SOLE_USERS[name]))} may include {name}"
        elif subfolder in WITHIN and name == folder and not header.startswith(subfolder + "/") and header not in WITHIN[subfolder]:
            yield f"{where}: {subfolder}/ may include {', '.join(sorted(WITHIN[subfolder]))} only of {folder}/"
        elif name not in allowed and header not in allowed:
            yield f"{where}: {folder}/ may include {', '.join(sorted(allowed))} only"


def cmake_calls(text, command):
    text = re.sub(r"#[^\n]*", "", text)
    for match in re.finditer(rf"\b{command}\s*\(([^)]*)\)", text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1).split()


def check_cmake(root):
    for path in sorted(root.glob("*/CMakeLists.txt")):
        relative = path.relative_to(root).as_posix()
        if relative.startswith(("tests/", "bench/")):
            continue
        for number, words in cmake_calls(path.read_text(encoding="utf-8"), "target_link_libraries"):
            target, libraries = words[0], [w for w in words[1:] if w not in ("PUBLIC", "PRIVATE", "INTERFACE")]
            if target not in LINKS:
                # A program of cli/ or cni/: it may have what its library may have.
                library_of = {"cli/CMakeLists.txt": "weft_cli", "cni/CMakeLists.txt": "weft_cni",
                              "lab/CMakeLists.txt": "weft_lab"}.get(relative)
                allowed = LINKS[library_of] | {library_of} if library_of else set()
            else:
                allowed = LINKS[target]
            for library in libraries:
                if library not in allowed | EVERYONE_LINKS:
                    yield f"{relative}:{number}: {target} links {library}, an edge that DESIGN.md does not draw"


def check(root):
    breaches = []
    files = 0
    for folder in ALLOWED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                files += 1
                breaches += check_file(path, root)
    breaches += check_cmake(root)
    return files, breaches


# What each breach is, in a tree that is otherwise sound, and a word of the complaint.
BREACHES = [
    ("crypto/a.h", '#include "vswitch/good.h"', "crypto/ may include"),
    ("crypto/b.cpp", "#include <linux/if_tun.h>", "crypto/ may include"),
    ("crypto/c.cpp", "#include <intel-ipsec-mb.h>", "only crypto/aead_ipsec_mb.cpp"),
    ("vswitch/a.h", '#include "crypto/good.h"', "vswitch/ may include"),
    ("vswitch/b.h", '#include "overlay/good.h"', "vswitch/ may include"),
    ("vswitch/c.cpp", "#include <openssl/evp.h>", "vswitch/ may include"),
    ("vswitch/d.cpp", "#include <netlink/route/link.h>", "only vswitch/netlink.cpp"),
    ("vswitch/netlink.h", "#include <netlink/socket.h>", "only vswitch/netlink.cpp"),
    ("cli/e.cpp", "#include <nftables/libnftables.h>", "only vswitch/nat_table.cpp"),
    ("vswitch/e.cpp", "  #  include <fmt/format.h>", "vswitch/ may include"),
    ("vswitch/device/f.cpp", '#include "../good.h"', "no such file"),
    ("vswitch/g.cpp", '#include "good.h"', "neither a path"),
    ("vswitch/h.cpp", "#include <bpf/libbpf.h>", "only vswitch/bpf/port.bpf.c and vswitch/bpf/uplink.bpf.c"),
    ("overlay/a.h", '#include "config/good.h"', "overlay/ may include"),
    ("overlay/b.cpp", "#include <openssl/rand.h>", "overlay/ may include"),
    ("overlay/c.cpp", '#include "tests/support/good.h"', "overlay/ may include"),
    ("overlay/d.cpp", "#include <vswitch/missing.h>", "neither a path"),
    ("config/a.cpp", '#include "vswitch/good.h"', "config/ may include"),
    ("config/b.cpp", '#include "overlay/good.h"', "config/ may include"),
    ("config/c.cpp", "#include <nlohmann/json.hpp>", "config/ may include"),
    ("cli/a.cpp", "#include <uv.h>", "only cli/loop.cpp and cli/loop.h"),
    ("cli/b.cpp", '#include "tests/support/good.h"', "cli/ may include"),
    ("cli/c.cpp", "#include <toml++/toml.h>", "cli/ may include"),
    ("cli/d.cpp", "#include <boost/asio.hpp>", "neither a path"),
    ("cli/e.cpp", '#include "cni/good.h"', "cli/ may include"),
    ("cli/f.cpp", '#include "lab/good.h"', "cli/ may include"),
    ("lab/a.cpp", '#include "cni/good.h"', "lab/ may include"),
    ("lab/file/b.cpp", '#include "lab/good.h"', "lab/file/ may include"),
    ("cni/a.cpp", '#include "cli/good.h"', "cni/ may include"),
    ("cni/b.cpp", '#include "config/good.h"', "cni/ may include"),
    ("cni/c.cpp", "#include <spdlog/spdlog.h>", "cni/ may include"),
    ("cni/CMakeLists.txt", "target_link_libraries(weft-cni PRIVATE weft_config)", "weft-cni links weft_config"),
    ("tests/a_test.cpp", "#include <uv.h>", "only cli/loop.cpp and cli/loop.h"),
    ("overlay/e.cpp", '#include "bench/support/good.h"', "overlay/ may include"),
    ("overlay/f.cpp", "#include <benchmark/benchmark.h>", "overlay/ may include"),
    ("overlay/CMakeLists.txt", "target_link_libraries(weft_overlay PUBLIC weft_config)", "weft_overlay links weft_config"),
    ("vswitch/CMakeLists.txt", "target_link_libraries(\n weft_vswitch weft_crypto)", "weft_vswitch links weft_crypto"),
    ("crypto/CMakeLists.txt", "target_link_libraries(helper PRIVATE weft_vswitch)", "helper links weft_vswitch"),
]

SOUND = {
    "crypto/good.h": "#include <array>\n#include <openssl/evp.h>\n",
    "crypto/aead_ipsec_mb.cpp": "#include <intel-ipsec-mb.h>\n",
    "vswitch/address.h": "#include <cstdint>\n",
    "vswitch/good.h": '#include <span>\n#include "vswitch/address.h"\n',
    "vswitch/good.cpp": '#include <linux/if_tun.h>\n#include <net/if.h>\n#include <unistd.h>\n#include "vswitch/good.h"\n',
    "vswitch/netlink.cpp": "#include <netlink/route/link.h>\n",
    "overlay/good.h": '#include "crypto/good.h"\n#include "vswitch/good.h"\n',
    "config/good.h": '#include "crypto/good.h"\n#include "vswitch/address.h"\n',
    "config/load.cpp": "#include <toml++/toml.h>\n#include <fmt/format.h>\n",
    "cli/loop.h": "#include <uv.h>\n",
    "cli/good.h": "#include <string>\n",
    "cli/client.h": "#include <string>\n",
    "lab/topology.h": "#include <string>\n",
    "lab/file/good.h": '#include "lab/topology.h"\n',
    "lab/file/good.cpp": '#include "lab/file/good.h"\n',
    "lab/good.h": '#include "cli/good.h"\n#include "config/good.h"\n',
    "cni/good.h": '#include <nlohmann/json.hpp>\n#include "cli/client.h"\n#include "vswitch/good.h"\n',
    "cli/good.cpp": '#include "config/good.h"\n#include "overlay/good.h"\n#include <CLI/CLI.hpp>\n',
    "tests/support/good.h": '#include "overlay/good.h"\n',
    "bench/support/good.h": '#include "tests/support/good.h"\n',
    "bench/good_bench.cpp": '#include <benchmark/benchmark.h>\n#include "bench/support/good.h"\n',
    "tests/good_test.cpp": '#include <doctest/doctest.h>\n#include "tests/support/good.h"\n// #include "cli/missing.h"\n',
    "overlay/CMakeLists.txt": "target_link_libraries(weft_overlay PUBLIC weft_vswitch weft_crypto)\n",
    "cli/CMakeLists.txt": "target_link_libraries(weftd PRIVATE weft_cli)  # weft_nothing(\n",
}


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        write(root, SOUND)
        failures += [f"a sound tree is refused: {breach}" for breach in check(root)[1]]
    for name, line, complaint in BREACHES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            write(root, SOUND)
            write(root, {name: line + "\n"})
            breaches = check(root)[1]
            if len(breaches) != 1 or complaint not in breaches[0] or not breaches[0].startswith(name + ":"):
                failures.append(f"{name} with {line!r}: wanted one breach with {complaint!r}, got {breaches}")
    print(f"{len(BREACHES)} breaches of the rules tried")
    return failures


def main():
    if sys.argv[1:] == ["--self"]:
        failures = self_test()
    else:
        root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
        files, failures = check(root)
        if files == 0:
            failures = [f"{root}: holds no source files; this is not the project"]
        print(f"{files} files checked")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
