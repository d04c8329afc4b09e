"""Build arguments, and which of them a builder can take from its environment instead of its command line.

`--build-arg KEY` without a value takes the variable of that name from the builder's own environment, with
buildx and kaniko alike. That keeps the value off the command line, but must not change what the builder does.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gocdnext_sdk.runtime.tool import INHERITED
from gocdnext_sdk.secret import looks_secret

STEERS_BUILDX = re.compile(
    r"""(?ix) (BUILDX|BUILDKIT|BAKE|OTEL|AWS|ACTIONS|EXPERIMENTAL|KUBE\w*|SUDO|LC)_\w+
    | DOCKER_(HOST|CONFIG|CONTEXT|API_VERSION|CERT_PATH|TLS\w*)
    | DOCKER_(CUSTOM_HEADERS|DEFAULT_PLATFORM|AUTH_CONFIG|CLI\w*)
    | (HTTP|HTTPS|NO|FTP|ALL)_PROXY | SSL_CERT_(FILE|DIR) | XDG_\w+
    | GITHUB_ACTIONS | GODEBUG | GOGC | GOMAXPROCS | GOMEMLIMIT | GOTRACEBACK | KUBECONFIG | SSH_AUTH_SOCK
    | PATH | HOME | USERPROFILE | TMPDIR | LANG | TZ | DEBUG | TRACEPARENT | TRACESTATE | NO_COLOR
    """
)
"""Variables that change what buildx itself does. Source: what docker/buildx 0.36 and its modules read."""

_HEADERS = re.compile(r"(?i)AUTH|HEADERS")
"""Beside what looks secret: steering variables that carry logins or an `Authorization` header."""


@dataclass(frozen=True)
class BuildArg:
    """A build argument with its value.

    Args:
        key: its name.
        value: its value.
        by_name: whether the builder gets the value through its environment, where no other process sees it.
    """

    key: str
    value: str
    by_name: bool

    @property
    def word(self) -> str:
        """What follows `--build-arg`."""
        return self.key if self.by_name else f"{self.key}={self.value}"

    @property
    def is_exposed(self) -> bool:
        """Whether a secret would stand on the command line, as far as one can tell."""
        if self.by_name:
            return False
        named = looks_secret(self.key) or _HEADERS.search(self.key)
        return bool(named or re.search(r"://[^/\s]+@", self.value))


def build_arguments(
    pairs: Iterable[tuple[str, str | None]],
    environ: Mapping[str, str],
    taken: Container[str] = (),
    steers: re.Pattern[str] = STEERS_BUILDX,
) -> Iterator[BuildArg]:
    """Yield the build arguments in order.

    Args:
        pairs: as given; the value None means the job's variable of that name.
        environ: the job's environment.
        taken: further variables of the job that the builder gets, for build secrets.
        steers: matches the variables that change what the builder itself does.
    """
    for key, given in pairs:
        value = environ.get(key, "") if given is None else given
        inherited = (key in INHERITED or key in taken) and environ.get(key) == value
        free = key not in taken and not steers.fullmatch(key)
        yield BuildArg(key, value, by_name=inherited or free)
