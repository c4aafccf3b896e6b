"""An empty network: a namespace of its own, whose only device is a loopback that is down.

Belongs here: how a process leaves the host's network. It must run while the process has a single thread, since only such
a process may enter a user namespace (user_namespaces(7)).
"""

import contextlib
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from moretta.sandbox import libc
from moretta.sandbox.confinement import Level, Support

# clone(2) flags. The IPC namespace comes along at no cost: System V segments and message queues of the host vanish.
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
# netdevice(7): ask for a device's flags; the flag of one that is up.
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1


def available() -> Support:
    """Whether this kernel knows network namespaces; only `apply` finds out whether this process may make one."""
    if libc.on_linux() and Path("/proc/self/ns/net").exists():
        return Support(Level.FULL, "the kernel knows network namespaces")
    return Support(Level.NONE, "the kernel knows no network namespaces")


def apply() -> Support:
    """Leave the host's network and System V objects for empty ones.

    Raises:
        OSError: neither this user's rights nor a user namespace permit it.
    """
    if available().level is Level.NONE:
        raise OSError(errno.ENOSYS, available().detail)
    own_uid, own_gid = os.geteuid(), os.getegid()
    try:
        libc.unshare(CLONE_NEWNET | CLONE_NEWIPC)
    except PermissionError:
        try:
            libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)
        except OSError as error:
            raise OSError(error.errno, "neither root nor user namespaces permit an empty network here") from error
        _map_self(own_uid, own_gid)
    if up := _devices_up():
        return Support(Level.PARTIAL, f"a network of its own, but {len(up)} of its devices are up")
    return Support(Level.FULL, "a network of its own, without any device that is up")


def _map_self(uid: int, gid: int) -> None:
    """Keep this user's ids in the new user namespace, so that its home and its files are still its own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _devices_up() -> list[str]:
    """The network devices that could carry a packet; a fresh namespace has only idle ones (`lo`, fallback tunnels)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        return [name for _, name in socket.if_nameindex() if _flags(probe, name) & _IFF_UP]


def _flags(probe: socket.socket, device: str) -> int:
    answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sH22x", device.encode(), 0))
    return int(struct.unpack_from("H", answer, 16)[0])
