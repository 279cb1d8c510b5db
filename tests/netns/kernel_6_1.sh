#!/bin/bash
# The BPF programs on the kernel of Debian 12, 6.1, whatever kernel this machine has: its verifier is another, and it has no
# links for tc, so that filters take their place. fast_path_test and early_drop_test run in an emulated machine (guest_lib.sh:
# a minute or two) that consists of this kernel, the tests, iproute2 and busybox.
#
# WEFT_BIN            folder of the build whose tests are taken (default: the release build's)
# WEFT_KERNEL_CACHE   where the kernel's package, 70 MB, is kept (default: build/kernel_6_1)
# WEFT_TEST_OPTIONS   for the tests, e.g. '-tc=*stays*'
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/netns/guest_lib.sh"

tests=(fast_path_test early_drop_test)
built() { [[ $(find "${tests[@]/#/$1/}" -perm /111 2>/dev/null | wc -l) -eq ${#tests[@]} ]]; }
folder=${WEFT_RELEASE_BIN-$root/build/release/bin}/../tests/netns
built "$folder" || folder=${WEFT_BIN-$root/build/dev/bin}/../tests/netns
built "$folder" || skip "no ${tests[*]}: cmake --build --preset release"

guest_kernel drivers/net/veth.ko drivers/net/tun.ko net/sched/sch_ingress.ko net/sched/cls_bpf.ko
guest_programs dash grep timeout ip tc  # what the tests themselves call; busybox has lesser ones
guest_programs "${tests[@]/#/$folder/}"
guest_run 600 1024 <<END | tee "$work/console"
for test in ${tests[*]}; do
    echo "\$test"
    \$test ${WEFT_TEST_OPTIONS-}
    echo "exit status \$?"
done
END
if grep -q '^skipped' "$work/console"; then skip "a test says so"; fi
[[ $(grep -c '^exit status 0$' "$work/console") -eq ${#tests[@]} ]] || { echo "FAILED: on kernel 6.1" >&2; exit 1; }
echo OK
