"""What leaves on the wire: every packet of every interface of this namespace, the engine's bridges too."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

_ALL = 0x0003
"""ETH_P_ALL: every protocol (linux/if_ether.h)."""


class Sniffer:
    """Finds packets that ask for a host: in a DNS query, or by its name beyond private addresses.

    Between containers and loopback, the name may stand in the path of a request to the registry of the run.

    Args:
        host: a name that occurs nowhere else.
    """

    def __init__(self, host: str) -> None:
        self.found: list[bytes] = []
        self.packets = 0
        # A name as DNS writes it (RFC 1035 §3.1): each label behind its length.
        self._asked = b"".join(bytes([len(label)]) + label.encode() for label in host.split("."))
        self._name = host.encode()

    def hear(self, packet: bytes) -> None:
        """Look at one packet with its Ethernet header."""
        self.packets += 1
        if self._asked in packet or (self._name in packet and not _stays(packet)):
            self.found.append(packet)


def _stays(packet: bytes) -> bool:
    """Return whether the packet goes to an address of this machine or its networks."""
    protocol = packet[12:14]
    if protocol not in (b"\x08\x00", b"\x86\xdd"):  # IPv4 and IPv6; what else there is goes nowhere
        return True
    return ip_address(packet[30:34] if protocol == b"\x08\x00" else packet[38:54]).is_private


@contextmanager
def sniffing(host: str) -> Iterator[Sniffer]:
    """Listen while the block runs. Needs CAP_NET_RAW.

    Raises:
        PermissionError: this process may not.
    """
    sniffer, over = Sniffer(host), threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        wire.settimeout(0.2)

        def listen() -> None:
            while not over.is_set():
                try:
                    sniffer.hear(wire.recv(65535))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield sniffer
        finally:
            over.set()
            thread.join()
