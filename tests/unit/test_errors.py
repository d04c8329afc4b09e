"""One tree of errors, one place that reports them."""

from __future__ import annotations

import errno
import importlib
import inspect
import io
import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import gocdnext_sdk
from gocdnext_sdk import errors
from gocdnext_sdk.errors import (
    Cancelled,
    DaemonError,
    Error,
    Findings,
    InputError,
    InputMismatch,
    Invalid,
    Problem,
    RegistryError,
    ToolError,
    UsageError,
    doing,
    quoted,
    report,
)


def classes() -> Iterator[type[Error]]:
    for module in pkgutil.walk_packages(gocdnext_sdk.__path__, "gocdnext_sdk."):
        if ".template." not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[Error]] = [Error]
    for each in found:
        found += each.__subclasses__()
    return (each for each in found if each.__module__.startswith("gocdnext_sdk."))


def reported(error: Exception, **environ: str) -> tuple[int, str]:
    stream = io.StringIO()
    return report(error, environ, stream), stream.getvalue()


def drawn() -> dict[str, str]:
    """The errors of the drawing, with their exit codes."""
    return {
        words[0]: words[1]
        for line in (inspect.getdoc(errors) or "").splitlines()
        if (words := line.strip("│├└─ ").split()) and "──" in line
    }


def test_the_drawing_has_every_error_with_its_exit_code() -> None:
    drawing = drawn()
    public = {each for each in classes() if not each.__name__.startswith("_") and each is not Error}
    assert {each.__name__ for each in public} == set(drawing)
    for each in public - {Cancelled}:
        assert str(each.exit_code) == drawing[each.__name__]
    assert all(issubclass(each, UsageError) for each in public if each.exit_code == 2)


def test_every_error_of_the_drawing_can_be_explained() -> None:
    """In a process of its own, which has imported nothing but the command."""
    code = (
        "import sys; from click.testing import CliRunner; from gocdnext_sdk.host.cli.explain import command\n"
        "for name in sys.argv[1:]: print(CliRunner().invoke(command, [name]).output.partition('\\n')[0])"
    )
    names = drawn()
    argv = [sys.executable, "-c", code, *names]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.partition(",")[0] for line in said] == [
        f"{name}: exit code {number}" for name, number in names.items()
    ]


def test_what_and_advice_are_apart() -> None:
    for error in (Error("no key", "add one"), Invalid("no key", "add one"), Findings("no key", "add one")):
        assert (error.what, error.advice, str(error)) == ("no key", "add one", "no key; add one")
    assert Problem.of("key", Invalid('"a; b" is no key', "add one")) == Problem(
        "key", '"a; b" is no key', "add one"
    )
    assert Problem.of("key", ValueError("a; b")) == Problem("key", "a; b")


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (Findings("found", exit_code=7), 7),
        (InputError(Problem("x", "is wrong")), 2),
        (InputMismatch("x", "is not there"), 2),
        (ToolError("it broke"), 3),
        (KeyError("x"), 70),
        (Cancelled(15), 143),
    ],
)
@pytest.mark.parametrize("debug", ["", "1"])
def test_showing_the_traceback_does_not_change_the_exit_code(
    error: Exception, exit_code: int, debug: str
) -> None:
    code, log = reported(error, GOCDNEXT_DEBUG=debug)
    assert code == exit_code
    assert log.count("error: ") >= 1


def test_only_wrong_inputs_promise_that_nothing_was_done() -> None:
    assert "nothing was done" in reported(InputError(Problem("x", "is wrong")))[1]
    assert "nothing was done" not in reported(InputMismatch("x", "is not there"))[1]
    assert reported(InputMismatch("x", "is not there"))[1].startswith("error: with.x: ")


@pytest.mark.parametrize("kind", [ToolError, DaemonError, RegistryError])
def test_a_failure_names_what_was_being_done(kind: type[Error]) -> None:
    with pytest.raises(kind) as raised, doing("signing ghcr.io/org/app"):
        raise kind("cosign failed with exit code 1", "its own message is above")
    assert raised.value.lines() == [
        "signing ghcr.io/org/app: cosign failed with exit code 1; its own message is above"
    ]


def test_findings_are_not_a_failure_of_what_was_being_done() -> None:
    with pytest.raises(Findings, match=r"^2 found$"), doing("scanning"):
        raise Findings("2 found")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("v 1", '"v 1"'),
        ("ü" * 200, f'"{"ü" * 200}"'),
        ("x" * 201, "the value (201 characters)"),
        ("MIIEvQ\nIBADAN", "the value (13 characters)"),
        ("a\0b", "the value (3 characters)"),
        ("https://me:pw@host/x", "the value (20 characters)"),
        ("host/x?private_token=pw", "the value (23 characters)"),
        ("me@host", '"me@host"'),
    ],
)
def test_a_value_is_quoted_whole_or_not_at_all(value: str, shown: str) -> None:
    assert quoted(value) == shown


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, 3), (errno.EROFS, 3), (errno.EDQUOT, 3), (errno.EIO, 70)]
)
def test_a_full_file_system_is_no_bug(number: int, code: int) -> None:
    log = io.StringIO()
    error = OSError(number, os.strerror(number), "Dockerfile", None, "/dev/shm/x/Dockerfile")
    assert errors.report(error, {}, log) == code
    assert ("/dev/shm/x/Dockerfile cannot be written" in log.getvalue()) == (code == 3)
