# shellcheck shell=bash
# VTun: layer 2 over TAP and UDP. Its payload encryption, which authenticates
# nothing, is off.
TOPOLOGY=plain
PACKAGES=vtun
NEEDS=vtund

up() {
    config >"$WORK/vtun.conf"
    daemon "$2" vtund-b vtund -n -s -f "$WORK/vtun.conf" -L "$UNDER_B"
    wait_for 5 "listening vtund" listening "$2" 5000
    daemon "$1" vtund-a vtund -n -f "$WORK/vtun.conf" weft-peers "$UNDER_B"
    address "$1" vtun0
    address "$2" vtun0
}

listening() { in_ns "$1" ss -Hltn "sport = :$2" | grep -q .; }

config() {
    cat <<END
options { port 5000; syslog local0; }
weft-peers {
    password weft-peers;
    type ether;
    device vtun0;
    proto udp;
    compress no;
    encrypt no;
    keepalive no;
    up { program /bin/true "" wait; };
}
END
}
