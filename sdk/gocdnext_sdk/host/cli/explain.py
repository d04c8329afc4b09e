"""`gocdnext-plugin explain`: what a rule, an exit code or a kind of error means."""

from __future__ import annotations

import importlib
import inspect
import signal
from collections.abc import Iterator, Mapping
from typing import Final

import click

from gocdnext_sdk.errors import Cancelled, Error, UsageError, closest
from gocdnext_sdk.host.lint.report import explain
from gocdnext_sdk.host.lint.rule import RULES

_MODULES: Final = (
    *("host.pipeline.errors", "host.manifest.load", "host.lint.check", "host.lint.rules", "host.scaffold"),
    *("host.harness.artifacts", "host.harness.caches", "host.harness.engine.interface", "oci.connection"),
)
"""Modules that define errors of their own."""

_CODES: Final[Mapping[int, str]] = {
    0: "done",
    1: "findings, or a policy that is not met; of `run`, a job failed; of `lint`, there are errors",
    2: "what was asked for is wrong, or the job's container will not do, and nothing was done; or an input "
    "does not fit what the run found",
    3: "a tool, the daemon, a registry or a service failed, or a job took longer than its `timeout`",
    70: "a bug in the plugin or the SDK; GOCDNEXT_DEBUG=1 shows where",
    125: "the container engine could not start the container",
    126: "the command of the container is there and cannot be run",
    127: "the command of the container is not there",
    137: "killed: SIGKILL, by the engine when memory ran out, or 10 s after it was asked to stop",
    143: "stopped: SIGTERM, as when a job is cancelled",
}
_BYTE: Final = 256


@click.command("explain", short_help="Explain a rule of lint, an exit code, or a kind of error.")
@click.argument("code")
def command(code: str) -> None:
    """Explain CODE: a rule such as GP101, an exit code such as 3, or an error such as DaemonError."""
    click.echo("\n".join(_lines(code)))


def _lines(code: str) -> Iterator[str]:
    kinds = {each.__name__: each for each in _errors()}
    if rule := RULES.get(code.upper()):
        yield from explain(rule)
    elif code.isascii() and code.isdigit() and int(code) < _BYTE:
        yield from _exit_code(int(code), kinds)
    elif name := next((name for name in kinds if name.lower() == code.lower()), None):
        stopped = kinds[name] is Cancelled
        yield f"{name}: exit code {'128+n, where n is the signal' if stopped else kinds[name].exit_code}"
        yield ""
        yield inspect.cleandoc(kinds[name].__doc__ or "").partition("\n\nArgs:")[0]
    else:
        near = closest(code, [*RULES, *kinds])
        advice = f"did you mean {near}?" if near else "`gocdnext-plugin lint --rules` lists the rules"
        raise UsageError(f"there is no rule, exit code or error {code}", advice)


def _exit_code(code: int, kinds: Mapping[str, type[Error]]) -> Iterator[str]:
    signals = {each.value: each.name for each in signal.Signals}
    if code in _CODES:
        yield f"{code}: {_CODES[code]}"
    elif code - 128 in signals:
        yield f"{code}: ended by signal {code - 128}, {signals[code - 128]}"
    else:
        yield f"{code}: the job's own; nothing of this project ends with it"
    without = {Error, Cancelled}
    if named := sorted(
        name for name, each in kinds.items() if each.exit_code == code and each not in without
    ):
        yield f"errors: {', '.join(named)}"


def _errors() -> Iterator[type[Error]]:
    for name in _MODULES:
        importlib.import_module(f"gocdnext_sdk.{name}")
    waiting: list[type[Error]] = [Error]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()
