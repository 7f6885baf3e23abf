"""Sets up the network namespace that contrib/bench/run made, so that every run meets the same one:
its own loopback device, all ports free, no pacing by the host's congestion control.
"""
import fcntl
import socket
import struct

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SYSCTL = "/proc/sys/net/ipv4/"


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def write_sysctl(name, value):
    try:
        with open(SYSCTL + name, "w") as out:
            out.write(value)
        return True
    except OSError:
        return False


def read_sysctl(name):
    try:
        with open(SYSCTL + name) as lines:
            return lines.read().strip()
    except OSError:
        return "unknown"


def prepare(is_private):
    """Returns a line that says what the run met."""
    if is_private:
        loopback_up()
        write_sysctl("ip_local_port_range", "10000 65000")
        for control in ("cubic", "reno"):
            if write_sysctl("tcp_congestion_control", control):
                break
    where = "a network namespace of its own" if is_private else "the host's network"
    return f"loopback in {where}, congestion control {read_sysctl('tcp_congestion_control')}"
