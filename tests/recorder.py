"""A server that notes whether TLS or plain http is spoken to it.

As a program it does so in a network of its own, where every port is free, and prints what a command spoke:

    python -m tests.recorder 80,443 crane manifest localhost/team/app
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress


class Recorder:
    """Notes what each connection speaks first, and refuses or hangs up.

    Args:
        port: of every address of this machine; any that is free if not given.
        family: IPv4, or IPv6 with IPv4.
    """

    def __init__(self, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.spoken: set[str] = set()
        both = family is socket.AF_INET6
        self._listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                first = connection.recv(4096)
                if first:
                    self.spoken.add(
                        "https" if first[:1] == b"\x16" or first.startswith(b"CONNECT") else "http"
                    )
                if not first.startswith(b"\x16"):
                    connection.sendall(
                        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def spoken_alone(environ: dict[str, str], ports: Sequence[int], *argv: str) -> set[str]:
    """Return what a command speaks to these ports of this machine, in a network of its own.

    Args:
        environ: of the command.
        ports: those that listen.
        argv: the command.
    """
    program = (sys.executable, "-m", "tests.recorder", ",".join(map(str, ports)), *argv)
    done = subprocess.run(program, env=environ, capture_output=True, check=True, timeout=60)
    return {*json.loads(done.stdout)}


_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of unshare(2)."""


def _leave() -> None:
    """Go into a network namespace, and switch its loopback device on (netdevice(7), SIOCSIFFLAGS)."""
    flags = _NEW_NETWORK if os.geteuid() == 0 else _NEW_NETWORK | _NEW_USER
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as device:
        fcntl.ioctl(device, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))


def main() -> None:
    ports, *argv = sys.argv[1:]
    _leave()
    recorders = [Recorder(int(port), socket.AF_INET6) for port in ports.split(",")]
    with suppress(subprocess.TimeoutExpired):  # what it has spoken by then is noted
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=20)
    print(json.dumps(sorted(set().union(*(each.spoken for each in recorders)))), flush=True)
    os._exit(0)  # whatever still waits


if __name__ == "__main__":
    main()
