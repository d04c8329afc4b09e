"""What a plan consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Login:
    """A credential and the only host it goes to.

    Args:
        host: the registry.
        username: as text, or what it comes from.
        password: what it comes from, such as `<secret GHCR_TOKEN>`.
    """

    host: str
    username: str
    password: str


@dataclass(frozen=True)
class Step:
    """One thing a run does.

    Args:
        action: what it does.
        words: to run: the tool and its arguments; else with what.
        answer: what is taken for the answer.
        environ: names of the variables that the tool sees.
    """

    action: Literal["run", "look up", "tag", "ask the daemon for", "start a container of"]
    words: tuple[str, ...]
    answer: str = ""
    environ: tuple[str, ...] = ()


@dataclass
class Notes:
    """What a run has asked for so far."""

    steps: list[Step] = field(default_factory=list)
    logins: dict[Login, None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What one run of a plugin would do; secrets and what only a run knows stand there by name.

    Args:
        plugin: its name.
        inputs: key to value, of what is given.
        logins: which credential goes to which host.
        steps: in order.
        outputs: name to value, of what is known to be written.
        unknown: further outputs that the plugin may write.
        warnings: what the run would warn of.
        ends: why the plan ends before the run does; empty if it does not.
        values: the outputs with stand-ins, for jobs that need this one.
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
        """Return it as JSON has it."""
        found = asdict(self)
        del found["values"]
        return found
