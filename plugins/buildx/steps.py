"""What RUN steps get beside files: an SSH agent, the network, names of hosts, limits."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Literal

from gocdnext_sdk import (
    Always,
    Constraint,
    Input,
    Job,
    Lines,
    OnlyWith,
    PluginInputs,
    Problem,
    Secret,
    Words,
    quoted,
)

KNOWN_HOSTS = "known_hosts"
"""The id of the build secret that holds `ssh-known-hosts`."""

_HOST = re.compile(r"[A-Za-z0-9._-]+[:=](.+)")

_ULIMIT = re.compile(
    "(?:core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack)"
    "=(-?[0-9]+)(?::(-?[0-9]+))?"
)
"""Source: docker/go-units 0.5.0 `ulimit.go`."""

_SIZE = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+) ?(b|[kmgtp](i?b)?)?", re.IGNORECASE)
"""Source: docker/go-units 0.5.0 `RAMInBytes`."""

_OPENSSH = b"openssh-key-v1\0"
"""What the content of an OpenSSH key begins with; the name of the cipher follows (PROTOCOL.key)."""


class StepInputs(PluginInputs):
    """What RUN steps get."""

    ssh_key: Secret | None = Input(
        None,
        description="A private key, as text, for `RUN --mount=type=ssh`: steps get an agent that signs with "
        "it, and never the key. Without a passphrase.",
    )
    ssh_known_hosts: str | None = Input(
        None,
        description="Lines of a known_hosts file. Steps mount them: `RUN --mount=type=ssh "
        "--mount=type=secret,id=known_hosts,target=/etc/ssh/ssh_known_hosts`.",
    )
    network: Literal["default", "none", "host"] = Input(
        "default", description="The network of RUN steps: `none` for builds that must fetch nothing."
    )
    add_hosts: Lines = Input(
        "", description="Names of hosts for RUN steps, one per line: `registry.internal:10.0.0.5`."
    )
    ulimits: Words = Input(
        "", description="Limits of RUN steps, such as `nofile=1024:4096`; soft, and hard after a colon."
    )
    shm_size: str | None = Input(None, description="Size of /dev/shm in RUN steps, such as `64m`.")

    constraints: ClassVar[tuple[Constraint, ...]] = (
        OnlyWith("ssh-known-hosts", "ssh-key"),
        Always("ssh-key", "network", "add-hosts", "ulimits", "shm-size"),
    )

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check what these say."""
        yield from super().check(environ, workspace)
        if self.ssh_key is not None:
            yield from _check_key(self.ssh_key.reveal())
        for line in self.add_hosts:
            if not _names_host(line):
                yield Problem(
                    "add-hosts", f"{quoted(line)} names no host and address", 'write "name:10.0.0.5"'
                )
        for limit in self.ulimits:
            if not _limits(limit):
                yield Problem("ulimits", f"{quoted(limit)} is no limit", 'write it as "nofile=1024:4096"')
        if self.shm_size and not _SIZE.fullmatch(self.shm_size):
            yield Problem("shm-size", f"{quoted(self.shm_size)} is no size", 'write it as "64m" or "1g"')

    def step_arguments(self, job: Job) -> Iterator[str]:
        """Yield the arguments of buildx."""
        if self.ssh_key is not None:
            key = self.ssh_key.reveal().strip()
            # buildx reads it into an agent of its own; what steps reach is the agent's socket.
            yield from ("--ssh", f"default={job.secret_file(Secret(key + chr(10)), 'ssh-key')}")
        if self.ssh_known_hosts:
            hosts = job.secret_file(f"{self.ssh_known_hosts.strip()}\n", KNOWN_HOSTS)
            yield from ("--secret", f"id={KNOWN_HOSTS},src={hosts}")
        if self.network != "default":
            yield from ("--network", self.network)
        for host in self.add_hosts:
            yield from ("--add-host", host)
        for limit in self.ulimits:
            yield from ("--ulimit", limit)
        if self.shm_size:
            yield from ("--shm-size", self.shm_size)


def _names_host(line: str) -> bool:
    """Tell whether buildx finds a host and its addresses, with commas between, in a line.

    Source: `toBuildkitExtraHosts` of buildx 0.36.1, build/utils.go; Go's addresses have no zone.
    """
    found = _HOST.fullmatch(line)
    if not found or found[1] == "host-gateway":
        return found is not None
    try:
        for each in found[1].split(","):
            ip_address(each[1:-1] if each.startswith("[") and each.endswith("]") else each)
    except ValueError:
        return False
    return "%" not in found[1]


def _limits(text: str) -> bool:
    """Tell whether a limit is one: of a known kind, the soft one not above the hard one; -1 is no limit."""
    found = _ULIMIT.fullmatch(text)
    if not found:
        return False
    soft, hard = int(found[1]), int(found[2] or found[1])
    return hard == -1 or (soft != -1 and soft <= hard)


def _check_key(text: str) -> Iterator[Problem]:
    if "PRIVATE KEY-----" not in text:
        yield Problem("ssh-key", "is no private key", "give its text, not its path, and not the public key")
    elif "ENCRYPTED" in text or _cipher(text) not in (b"", b"none"):
        yield Problem("ssh-key", "has a passphrase, which nobody can type here", "make a key without one")


def _cipher(text: str) -> bytes:
    """Return the cipher of an OpenSSH key; nothing for other keys."""
    body = "".join(line for line in text.split("\n") if "-----" not in line)
    try:
        content = base64.b64decode("".join(body.split()))
    except (binascii.Error, ValueError):
        return b""
    if not content.startswith(_OPENSSH):
        return b""
    start = len(_OPENSSH) + 4
    return content[start : start + int.from_bytes(content[start - 4 : start])]
