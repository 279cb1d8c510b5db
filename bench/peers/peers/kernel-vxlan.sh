# shellcheck shell=bash
# The kernel's VXLAN device, the test ends directly on it.
TOPOLOGY=plain
PACKAGES=iproute2
NEEDS=ip

up() {
    vxlan "$1" "$UNDER_A" "$UNDER_B"
    vxlan "$2" "$UNDER_B" "$UNDER_A"
    address "$1" vx0
    address "$2" vx0
}

vxlan() {   # NS LOCAL REMOTE
    ip -n "$1" link add vx0 type vxlan id 77 local "$2" remote "$3" dstport 4789 \
        || skip "the kernel has no VXLAN"
}
