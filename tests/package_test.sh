#!/bin/bash
# The Debian package, made of the release build: what is in it, and what becomes of it in a Debian 12 that has nothing but the
# essential packages and those that it depends on: it installs, a node made of its own example starts and stops, it is upgraded,
# removed and purged, and nothing is left that it brought.
#
#   package_test.sh contents    needs dpkg-dev and help2man
#   package_test.sh install     needs root and mmdebstrap; makes the bare Debian from a mirror the first time (two minutes) and
#                               keeps it in build/bare_debian
#   package_test.sh boot        the same, with systemd running in it: the units as they are
#
# Nothing is done in the machine's own namespaces. Exit status 77: it cannot run here.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${WEFT_RELEASE_BUILD-$root/build/release}
part=${1-contents}

skip() {
    echo "SKIPPED: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

say() { echo "--- $*"; }

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "needs $tool: scripts/packages package"
    done
}
need dpkg-deb dpkg-shlibdeps help2man cpack
[[ -e $build/CPackConfig.cmake ]] || skip "no release build in $build: scripts/build makes it"

umask 022
work=$(mktemp -d "${TMPDIR:-/tmp}/weft-package-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
export LC_ALL=C

say "the package is made"
cmake --build "$build" --target installable >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log"; fail "the build"; }
(cd "$build" && cpack -G DEB -B "$work/packages") >"$work/cpack.log" 2>&1 || { tail -n 20 "$work/cpack.log"; fail "cpack"; }
package=$(echo "$work"/packages/*.deb)
[[ -f $package ]] || fail "not one package, but $package"
basename "$package"

contents() {
    local tree=$work/tree control=$work/control script page path mode owner
    dpkg-deb -R "$package" "$tree"
    mv "$tree/DEBIAN" "$control"

    say "control: what it is, what it needs"
    for field in Package Version Architecture Maintainer Section Priority Depends Description; do
        [[ -n $(dpkg-deb -f "$package" $field) ]] || fail "no $field"
    done
    for wanted in libc6 libuv1 libssl3 libnl-route-3-200 libseccomp2 libsystemd0 libnftables1; do
        dpkg-deb -f "$package" Depends | grep -q "\b$wanted\b" || fail "it does not depend on $wanted"
    done

    say "files: where the Filesystem Hierarchy Standard has them, root's, and nothing that is writable for others"
    dpkg-deb -c "$package" | while read -r mode owner _ _ _ path _; do
        [[ $owner == root/root ]] || fail "$path is $owner's"
        [[ ${mode:5:1}${mode:8:1} == -- ]] || fail "$path is writable for others ($mode)"
        case $path in
            */) ;;
            ./usr/bin/* | ./usr/lib/cni/*) [[ $mode == -rwxr-xr-x ]] || fail "$path is $mode" ;;
            ./usr/lib/systemd/system/* | ./usr/lib/sysusers.d/* | ./usr/lib/tmpfiles.d/* | ./usr/share/doc/weft/* | ./usr/share/man/man?/*)
                [[ $mode == -rw-r--r-- ]] || fail "$path is $mode" ;;
            *) fail "$path does not belong there" ;;
        esac
    done
    for path in usr/bin/weft usr/bin/weftd usr/bin/weft-lab usr/lib/cni/weft usr/lib/systemd/system/weftd.service usr/lib/systemd/system/weftd@.service \
        usr/lib/sysusers.d/weft.conf usr/lib/tmpfiles.d/weft.conf usr/share/man/man1/weft.1.gz usr/share/man/man1/weft-lab.1.gz usr/share/man/man5/weft.toml.5.gz \
        usr/share/man/man8/weftd.8.gz usr/share/doc/weft/{copyright,changelog.Debian.gz,README.md,examples/weft.toml} \
        usr/share/doc/weft/examples/lab/{dumb_bell.toml,three_offices.toml,three_offices/make_keys,mobile/train.trace} \
        usr/share/doc/weft/examples/weftd.service.d/{packet,netns,fastpath,masquerade}.conf; do
        [[ -s $tree/$path ]] || fail "$path is not in it"
    done
    (cd "$tree" && md5sum --quiet -c "$control/md5sums") || fail "the checksums are wrong"
    diff <(cd "$tree" && find . -type f -printf '%P\n' | sort) <(sed 's/^[^ ]*  //' "$control/md5sums" | sort) || fail "not all files have a checksum"

    say "programs: stripped, and without paths of the machine that built them"
    for path in "$tree"/usr/bin/* "$tree"/usr/lib/cni/*; do
        readelf -S "$path" | grep -q '\.debug_info' && fail "$path is not stripped"
        readelf -d "$path" | grep -qE 'R(UN)?PATH' && fail "$path has a path for its libraries"
        grep -qF "$root" "$path" && fail "$path has $root in it"
    done
    grep -q '^ExecStart=/usr/bin/weftd ' "$tree/usr/lib/systemd/system/weftd.service" || fail "the unit does not start /usr/bin/weftd"

    say "maintainer scripts"
    for script in postinst prerm postrm; do
        [[ -x $control/$script ]] || fail "$script cannot be run"
        sh -n "$control/$script"
        grep -q '^set -e$' "$control/$script" || fail "$script goes on after an error"
    done
    [[ ! -e $control/conffiles ]] || fail "it has conffiles: $(cat "$control/conffiles")"
    for page in "$tree"/usr/share/man/man?/*.gz; do gzip -t "$page"; done

    if command -v lintian >/dev/null; then
        say "lintian"
        # It is no upload to Debian, and so closes no bug there.
        lintian --allow-root --suppress-tags initial-upload-closes-no-bugs --fail-on error,warning "$package" || fail "lintian"
    fi

    say "cmake --install under another prefix: the units name the programs there"
    cmake --install "$build" --prefix "$work/local" >"$work/install.log" || fail "cmake --install"
    grep -q "^ExecStart=$work/local/bin/weftd " "$work/local/lib/systemd/system/weftd.service" || fail "the unit does not"
    [[ -x $work/local/bin/weftd && -x $work/local/bin/weft ]] || fail "the programs are not there"
}

# --- in a bare Debian ---

# The first of each alternative.
dependencies() {
    dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/ //g' | sort -u | paste -sd,
}

bare_debian() {
    # shellcheck disable=SC2016  # apt's
    local key mirror=${WEFT_DEBIAN_MIRROR-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)}
    key=$(dependencies | md5sum | cut -c 1-12)
    bare=$root/build/bare_debian/$key.tar
    [[ ! -e $bare ]] || return 0
    need mmdebstrap
    say "a bare Debian 12 is made from $mirror, once"
    mkdir -p "$(dirname "$bare")"
    rm -f "$(dirname "$bare")"/*.tar
    timeout 280 mmdebstrap --quiet --variant=essential --include="$(dependencies)" bookworm "$work/bare.tar" "$mirror" 2>"$work/bare.log" \
        || { tail -n 5 "$work/bare.log"; skip "no bare Debian could be made: is $mirror reachable?"; }
    mv "$work/bare.tar" "$bare"
}

unpack() {
    [[ $EUID -eq 0 ]] || skip "needs root: it changes its root folder"
    bare_debian
    mkdir "$work/debian"
    tar -C "$work/debian" -xf "$bare"
    cp "$package" "$work/debian/weft.deb"
    cp "$root/tests/package/$1" "$work/debian/inside.sh"
}

# inside COMMAND...: in namespaces of its own, with devices of its own, the bare Debian being the root folder.
inside() {
    # shellcheck disable=SC2016  # expanded there
    unshare --mount --net --pid --fork --kill-child --ipc --uts --cgroup sh -ec '
        echo weft-test >/proc/sys/kernel/hostname
        mount --bind "$1" "$1"  # a root folder has to be a mount point for systemd to make namespaces of mounts
        cd "$1"
        shift
        mount -t proc proc proc
        mount -t sysfs sysfs sys
        mount -t cgroup2 cgroup2 sys/fs/cgroup || true
        for folder in dev run; do mount -t tmpfs -o mode=755 tmpfs $folder; done
        mkdir -p dev/net dev/pts dev/shm
        mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
        for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200; do
            echo "$device" | {
                IFS=: read -r name major minor
                mknod -m 666 "dev/$name" c "$major" "$minor"
            }
        done
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        exec env -i container=weft-test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . "$@"' sh "$work/debian" "$@"
}

install() {
    unpack inside.sh
    export -f inside
    export work
    timeout 100 bash -c 'inside /bin/bash /inside.sh' || fail "in the bare Debian"
}

# systemd wants a control group of its own; it is below ours, and goes with the test.
boot() {
    local cgroups status=0
    cgroups=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
    [[ -n $cgroups && -w $cgroups ]] || skip "no cgroup2 that can be written to: systemd cannot run in it"
    unpack booted.sh
    cat >"$work/debian/etc/systemd/system/inside.service" <<'END'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /inside.sh
StandardOutput=file:/said
StandardError=inherit
ExecStopPost=/bin/systemctl --no-block exit
END
    ln -sf /etc/systemd/system/inside.service "$work/debian/etc/systemd/system/default.target.wants/" 2>/dev/null || {
        mkdir -p "$work/debian/etc/systemd/system/multi-user.target.wants"
        ln -s /etc/systemd/system/inside.service "$work/debian/etc/systemd/system/multi-user.target.wants/"
    }
    ln -sf /lib/systemd/system/multi-user.target "$work/debian/etc/systemd/system/default.target"
    export -f inside
    export work
    cgroup=$cgroups/weft-test-$$
    mkdir "$cgroup"
    trap 'find "$cgroup" -depth -type d -exec rmdir {} \; ; rm -rf --one-file-system "$work"' EXIT
    # shellcheck disable=SC2016  # expanded there
    timeout 120 bash -c 'echo $$ >"$1/cgroup.procs"; inside /lib/systemd/systemd --system --show-status=no' bash "$cgroup" \
        >"$work/systemd.log" 2>&1 || status=$?
    [[ -s $work/debian/said ]] || { tail "$work/systemd.log"; skip "systemd does not run in a namespace here (status $status)"; }
    cat "$work/debian/said"
    [[ $(tail -n 1 "$work/debian/said") == "all is well" ]] || fail "in the bare Debian"
}

case $part in
    contents | install | boot) "$part" ;;
    *) echo "package_test.sh: contents, install or boot" >&2; exit 2 ;;
esac
