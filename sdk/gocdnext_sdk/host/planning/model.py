"""The parts of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Login:
    """A credential and the only host it goes to.

    Args:
        host: the registry.
        username: its text, or its source.
        password: its source, such as `<secret GHCR_TOKEN>`.
    """

    host: str
    username: str
    password: str


@dataclass(frozen=True)
class Step:
    """One thing a run does.

    Args:
        action: what it does.
        words: the tool and its arguments for "run", method and URL for "request"; otherwise the object of the
            action.
        answer: the assumed answer.
        environ: names of the variables that the tool sees.
    """

    action: Literal["run", "look up", "tag", "request", "write", "ask the daemon for", "start a container of"]
    words: tuple[str, ...]
    answer: str = ""
    environ: tuple[str, ...] = ()


@dataclass
class Notes:
    """What a run has requested so far."""

    steps: list[Step] = field(default_factory=list)
    logins: dict[Login, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What one run of a plugin would do. Secrets, and values that only a run knows, are shown by name.

    Args:
        plugin: its name.
        inputs: key to value, of the inputs that are given.
        logins: which credential goes to which host.
        steps: in order.
        outputs: name to value, of the outputs that are certainly written.
        unknown: further outputs that the plugin may write.
        warnings: warnings of the run.
        ends: why the plan ends before the run would; empty if it does not.
        values: the outputs with placeholders, for jobs that need this one.
    """

    plugin: str
    inputs: Mapping[str, str]
    logins: tuple[Login, ...]
    steps: tuple[Step, ...]
    outputs: Mapping[str, str]
    unknown: tuple[str, ...]
    warnings: tuple[str, ...]
    ends: str
    values: Mapping[str, str] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        found = asdict(self)
        del found["values"]
        return found
