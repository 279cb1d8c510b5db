#!/usr/bin/python3
"""A VLAN device (802.1Q) in user space, for kernels that are built without one: vlan_device.py DEVICE VLAN.

Makes the TAP device DEVICE.VLAN, and until it is killed passes on
    what arrives at DEVICE with the tag of that VLAN, without the tag, and
    what the TAP is given, with the tag, out of DEVICE.

The kernel takes a tag off a frame that it receives and tells it beside the frame (PACKET_AUXDATA). Virtio headers come along, so
that super-frames and checksums that are yet to be computed stay what they are on the way in; on the way out there are
none, because the TAP is opened without offloads.
"""

import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR = 263, 8, 15
ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100
TP_STATUS_VLAN_VALID = 0x10
VNET_HEADER = 10
ETHERNET_ADDRESSES = 12


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return tap


def open_device(name):
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    device.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    device.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    device.bind((name, ETH_P_ALL))
    return device


def received(device):
    """(VLAN, virtio header and frame) of the next frame that came in; the VLAN is None for what goes out or has no tag."""
    data, control, _, sender = device.recvmsg(1 << 17, socket.CMSG_SPACE(20))
    for level, kind, value in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and sender[2] != socket.PACKET_OUTGOING:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", value[:20])
            return (tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None), data
    return None, data


def main():
    name, vlan = sys.argv[1], int(sys.argv[2])
    device, tap = open_device(name), open_tap(f"{name}.{vlan}")
    tag = struct.pack("!HH", ETH_P_8021Q, vlan)
    while True:
        for ready in select.select([device, tap], [], [])[0]:
            try:
                if ready is device:
                    tagged_with, data = received(device)
                    if tagged_with == vlan:
                        os.write(tap, data)
                else:
                    frame = os.read(tap, 1 << 17)[VNET_HEADER:]
                    device.send(bytes(VNET_HEADER) + frame[:ETHERNET_ADDRESSES] + tag + frame[ETHERNET_ADDRESSES:])
            except OSError as error:
                # A device that is down, a full queue: a network may lose a frame.
                print(f"vlan_device {name}.{vlan}: {error}", flush=True)


main()
