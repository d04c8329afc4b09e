"""What a result says when a test did not get what it wanted."""

from __future__ import annotations

import pytest

from gocdnext_sdk.host.testing import fixtures
from gocdnext_sdk.host.testing.result import Argv, Call, Result, side_by_side

SCAN = Call("trivy", Argv(("image", "--format", "json", "app")), frozenset({"PATH"}))
CONVERT = Call("trivy", Argv(("convert", "report.json")), frozenset())


def test_the_exit_code_is_checked_with_the_log_at_hand() -> None:
    result = Result(exit_code=3, log="error: no route\n")
    assert result.exited(3) is result
    with pytest.raises(AssertionError, match="exit code 3 instead of 0\nerror: no route"):
        result.passed()


def test_a_leak_fails_whatever_the_exit_code() -> None:
    with pytest.raises(AssertionError, match=r"a secret shows in\nan argument of trivy: \*\*\*"):
        Result(exit_code=0, log="", leaks=("an argument of trivy: ***",)).passed()


def test_messages_are_told_apart() -> None:
    result = Result(exit_code=2, log="==> start\nwarning: old\nerror: one\nan error: no\nerror: two\n")
    assert result.errors == ("one", "two")
    assert result.warnings == ("old",)


def test_a_call_is_found_by_its_tool_and_the_beginning_of_its_arguments() -> None:
    result = Result(exit_code=0, log="", calls=(SCAN, CONVERT))
    assert result.call("trivy", "convert") is CONVERT
    with pytest.raises(AssertionError, match="trivy: started 2 times, not once, of\ntrivy image"):
        result.call("trivy")
    with pytest.raises(AssertionError, match="cosign: started 0 times"):
        result.call("cosign")


def test_two_argument_lists_are_aligned_where_they_agree() -> None:
    actual = ("image", "--format", "json", "--quiet", "app")
    expected = ("image", "--format", "table", "app")
    assert side_by_side(actual, expected) == [
        "  actual          expected",
        "  image --format  image --format",
        "! 'json'          'table'",
        "! '--quiet'",
        "  app             app",
    ]


def test_long_agreement_is_left_out() -> None:
    same = tuple(f"--flag-{n}" for n in range(20))
    assert side_by_side((*same, "a"), (*same, "b"))[1:] == [
        "  … 20 equal …  … 20 equal …",
        "! 'a'           'b'",
    ]


def test_pytest_shows_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from gocdnext_sdk.host.testing import Argv

        def test_it():
            assert Argv(("fs", "--quiet", ".")) == ("fs", ".")
        """
    )
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*a tool got other arguments*", "*actual*expected*", "*! '--quiet'*"])


def test_every_fixture_it_brings_has_its_prefix() -> None:
    """They are installed into every test run of an environment that has the SDK."""
    brought = {
        name
        for name, value in vars(fixtures).items()
        if isinstance(value, type(fixtures.gocdnext_workspace)) and not name.startswith("_")
    }
    assert len(brought) >= 8
    assert not {name for name in brought if not name.startswith("gocdnext_")}
