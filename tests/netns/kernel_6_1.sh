#!/bin/bash
# The BPF programs on the kernel of Debian 12, 6.1, whatever kernel this machine has: its verifier is another, and it has no
# links for tc, so that filters take their place. fast_path_test and early_drop_test run in a virtual machine (emulated: a
# minute or two) that consists of this kernel and an archive with the tests, iproute2 and busybox.
#
# WEFT_BIN            folder of the build whose tests are taken (default: the release build's)
# WEFT_KERNEL_CACHE   where the kernel's package, 70 MB, is kept (default: build/kernel_6_1)
# WEFT_TEST_OPTIONS   for the tests, e.g. '-tc=*stays*'
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${WEFT_KERNEL_CACHE-$root/build/kernel_6_1}
tests=(fast_path_test early_drop_test)
guest_tools=(dash grep timeout ip tc)  # what the tests themselves call; busybox has lesser ones
modules=(drivers/net/veth.ko drivers/net/tun.ko net/sched/sch_ingress.ko net/sched/cls_bpf.ko)

skip() {
    echo "SKIPPED: $*"
    exit 77
}

built() { [[ $(find "${tests[@]/#/$1/}" -perm /111 2>/dev/null | wc -l) -eq ${#tests[@]} ]]; }
folder=${WEFT_RELEASE_BIN-$root/build/release/bin}/../tests/netns
built "$folder" || folder=${WEFT_BIN-$root/build/dev/bin}/../tests/netns
built "$folder" || skip "no ${tests[*]}: cmake --build --preset release"
[[ $(uname -m) == x86_64 ]] || skip "knows x86-64's kernel only"
for tool in qemu-system-x86_64 busybox cpio dpkg-deb apt-get "${guest_tools[@]}"; do
    command -v "$tool" >/dev/null || skip "needs $tool: scripts/packages kernel"
done

mkdir -p "$cache"
fetch_kernel() {
    local name
    name=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-6\.1\./ { print $2; exit }')
    [[ -n $name ]] || skip "apt knows no linux-image-amd64 6.1: this is not Debian 12, or apt update has not run"
    (cd "$cache" && apt-get -qq download "$name" 2>/dev/null) || skip "cannot download $name"
}
package() { find "$cache" -name 'linux-image-6.1.*.deb' | sort | tail -n1; }
[[ -n $(package) ]] || fetch_kernel

work=$(mktemp -d /tmp/weft-kernel-6-1-XXXXXX)
trap 'rm -rf "$work"' EXIT
dpkg-deb --fsys-tarfile "$(package)" |
    tar -x -C "$work" --wildcards './boot/vmlinuz-*' "${modules[@]/#/*/}" || skip "$(package) is not what was expected"

# The archive: each program with the libraries that ldd names, at the places where they are here.
guest=$work/guest
mkdir -p "$guest"/{bin,dev,proc,sys,run,tmp,modules}
find "$work/lib" -name '*.ko' -exec cp -t "$guest/modules" {} +
cp "$(command -v busybox)" "${tests[@]/#/$folder/}" "$guest/bin"
for tool in "${guest_tools[@]}"; do
    cp -L "$(command -v "$tool")" "$guest/bin"
done
ln -s dash "$guest/bin/sh"
{ ldd "$guest"/bin/* 2>/dev/null || true; } | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
    cp -L --parents "$library" "$guest"
done
cat >"$guest/init" <<END
#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do busybox insmod \$module; done
echo "kernel \$(busybox uname -r)"
for test in ${tests[*]}; do
    echo "\$test"
    \$test ${WEFT_TEST_OPTIONS-}
    echo "exit status \$?"
done
busybox poweroff -f
END
chmod +x "$guest/init"
(cd "$guest" && find . | cpio -o -H newc --quiet) | gzip -1 >"$work/initrd"

timeout 600 qemu-system-x86_64 -m 1024 -smp 2 -accel tcg,thread=multi -cpu max -nographic -no-reboot -nic none \
    -kernel "$work"/boot/vmlinuz-* -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1 rdinit=/init' \
    </dev/null | tr -d '\r' | tee "$work/console"
if grep -q '^skipped' "$work/console"; then skip "a test says so"; fi
[[ $(grep -c '^exit status 0$' "$work/console") -eq ${#tests[@]} ]] || { echo "FAILED: on kernel 6.1" >&2; exit 1; }
echo OK
