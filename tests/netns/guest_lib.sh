# shellcheck shell=bash
# A machine with the kernel of Debian 12, 6.1, whatever kernel this one has, for a test or a measurement that sources this:
#
#   guest_kernel MODULE...       makes $guest, the machine's root, with the kernel's modules, e.g. drivers/net/veth.ko
#   guest_programs PROGRAM...    by name or path, into its /bin; once dash is among them, it is sh
#   guest_run SECONDS MEGABYTES  boots it; what is on stdin is run by busybox's shell; its console is stdout
#
# It is emulated in software, so that it runs anywhere, and slow; it sees nothing of this machine but what is in $guest. skip
# says what is missing, and its cure. $work is removed at the end.
#
# WEFT_KERNEL_CACHE   where the kernel's package, 70 MB, is kept (default: build/kernel_6_1); it is fetched if it is not there

guest_cache=${WEFT_KERNEL_CACHE-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/kernel_6_1}

skip() {
    echo "SKIPPED: $*"
    exit 77
}

guest_needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || skip "needs $tool: scripts/packages kernel"
    done
}

guest_package() { find "$guest_cache" -name 'linux-image-6.1.*.deb' | sort | tail -n1; }

guest_fetch() {
    local name
    name=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-6\.1\./ { print $2; exit }')
    [[ -n $name ]] || skip "apt knows no linux-image-amd64 6.1: this is not Debian 12, or apt update has not run"
    (cd "$guest_cache" && apt-get -qq download "$name" 2>/dev/null) || skip "cannot download $name"
}

guest_kernel() {
    [[ $(uname -m) == x86_64 ]] || skip "knows x86-64's kernel only"
    guest_needs qemu-system-x86_64 busybox cpio dpkg-deb apt-get
    mkdir -p "$guest_cache"
    [[ -n $(guest_package) ]] || guest_fetch
    work=$(mktemp -d /tmp/weft-kernel-6-1-XXXXXX)
    trap 'rm -rf "$work"' EXIT
    dpkg-deb --fsys-tarfile "$(guest_package)" | tar -x -C "$work" --wildcards './boot/vmlinuz-*' "${@/#/*/}" \
        || skip "$(guest_package) is not what was expected: remove it"
    guest=$work/guest
    mkdir -p "$guest"/{bin,dev,proc,sys,run/netns,tmp,modules,usr}
    find "$work/lib" -name '*.ko' -exec cp -t "$guest/modules" {} +
    guest_programs busybox
}

guest_programs() {
    local program
    guest_needs "$@"
    for program in "$@"; do
        cp -L "$(command -v "$program")" "$guest/bin"
        [[ $program != dash ]] || ln -s dash "$guest/bin/sh"
    done
}

# Each program, and each module of one, with the libraries that ldd names, at the places where they are here.
guest_libraries() {
    local library
    { find "$guest/bin" "$guest/usr" -type f \( -path "$guest/bin/*" -o -name '*.so' \) -exec ldd {} + 2>/dev/null || true; } \
        | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
        [[ ! -e $library ]] || cp -L --parents "$library" "$guest"
    done
}

guest_run() {
    guest_libraries
    {
        cat <<'END'
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do busybox insmod $module; done
echo "kernel $(busybox uname -r)"
END
        cat
        echo 'busybox poweroff -f'
    } >"$guest/init"
    chmod +x "$guest/init"
    (cd "$guest" && find . | cpio -o -H newc --quiet) | gzip -1 >"$work/initrd"
    timeout "$1" qemu-system-x86_64 -m "$2" -smp 2 -accel tcg,thread=multi -cpu max -nographic -no-reboot -nic none \
        -kernel "$work"/boot/vmlinuz-* -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1 rdinit=/init' \
        </dev/null | tr -d '\r'
}
