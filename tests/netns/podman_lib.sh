# shellcheck shell=bash
# podman on hosts that are namespaces, for a test or a measurement that sources this instead of lib.sh, with its arguments:
#
#   . "$(dirname "$0")/podman_lib.sh" "$@"
#
# Each host has a podman of its own, engine HOST COMMAND..., whose networks are the conflists in $work/HOST/net.d, and whose
# plugins are weft's and those in $plugins. A container's root is $work/root: busybox, and what it is linked with.

# In a mount namespace of its own, where there is but one kind of cgroups, whatever the machine has.
[[ -n ${own_mounts-} || $EUID -ne 0 ]] || own_mounts=1 exec unshare --mount --propagation private "$0" "$@"
# And where what podman and dnsname keep in /run is theirs alone.
[[ $EUID -ne 0 ]] || { mount -t cgroup2 none /sys/fs/cgroup; mkdir -p /run/containers; mount -t tmpfs none /run/containers; }
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need podman busybox
plugins=${WEFT_PLUGINS-/usr/lib/cni}
[[ -x $plugins/portmap ]] || skip "no CNI plugins in $plugins: scripts/packages containers"
[[ -x $WEFT_BIN/weft-cni ]] || skip "no weft-cni in $WEFT_BIN"
podman info >/dev/null 2>&1 || skip "podman does not run here"

# A container's root: busybox and what it is linked with.
mkdir -p "$work/root/bin" "$work/root/proc" "$work/root/etc" "$work/cni"
cp "$(command -v busybox)" "$work/root/bin/busybox"
for applet in sh ping wget nc ip cat sleep httpd ls; do ln -s busybox "$work/root/bin/$applet"; done
ldd "$(command -v busybox)" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$work/root${library%/*}"
    cp "$library" "$work/root$library"
done
chmod -R a+rX "$work/root"
chmod 755 "$work"
cp "$WEFT_BIN/weft-cni" "$work/cni/weft"
ln -s "$plugins"/* "$work/cni/"

# podman_host HOST...: engine HOST can be used.
podman_hosts=()
podman_host() {
    local name
    for name in "$@"; do
        podman_hosts+=("$name")
        mkdir -p "$work/$name/net.d"
        cat >"$work/$name/containers.conf" <<END
[network]
network_backend = "cni"
cni_plugin_dirs = ["$work/cni"]
network_config_dir = "$work/$name/net.d"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_sysctls = []
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
END
    done
}

# engine HOST COMMAND...: podman of that host.
engine() {
    local site=$1
    shift
    on "$site" env CONTAINERS_CONF="$work/$site/containers.conf" podman --root "$work/$site/storage" \
        --runroot "$work/$site/run" --tmpdir "$work/$site/tmp" "$@"
}

before_exit() {
    local site
    for site in "${podman_hosts[@]}"; do engine "$site" rm -f -a -t 0 >/dev/null 2>&1; done
    grep -o " $work/[^ ]*" /proc/mounts | sort -r | while read -r mounted; do umount -l "$mounted"; done
}

address_of() { engine "$1" inspect "$2" | jq -r '.[0].NetworkSettings.Networks | to_entries[0].value.IPAddress'; }
