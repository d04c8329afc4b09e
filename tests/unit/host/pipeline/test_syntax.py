from __future__ import annotations

import pytest

from gocdnext_sdk.host.pipeline import syntax


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("1h30m", 5400), ("1.5h", 5400), ("0", 0), ("-5s", -5), ("250ms", 0.25)],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert syntax.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "7d", "1h30", "h", "1 h", "--1s", "-"])
def test_no_go_durations(text: str) -> None:
    assert syntax.seconds(text) is None


@pytest.mark.parametrize("pattern", ["**/*.py", "{a,b}/[!x-z]?", "a\\{", "[]a]", "x{a,{b,c}}"])
def test_globs(pattern: str) -> None:
    assert syntax.glob(pattern) is None


@pytest.mark.parametrize("pattern", ["{a", "a}", "[a", "a\\", "[]"])
def test_no_globs(pattern: str) -> None:
    assert syntax.glob(pattern) is not None


@pytest.mark.parametrize("key", ["any text: ü", 'a-{{ hash "x" }}', '{{hash "a"}}.{{ hash "b/**" }}'])
def test_cache_keys(key: str) -> None:
    assert syntax.cache_key(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "x" * 1025,
        '{{ hash "a" }}' * 6,
        "a{{",
        "{{ hash a }}",
        'a b {{ hash "x" }}',
        '{{ hash "" }}',
        '{{ hash "../x" }}',
        '{{ hash "/x" }}',
        '{{ sum "x" }}',
    ],
)
def test_no_cache_keys(key: str) -> None:
    assert syntax.cache_key(key) is not None


def test_kubernetes_names() -> None:
    assert syntax.label_value("") is None
    assert syntax.label_value("a" * 63) is None
    assert syntax.label_value("a" * 64) is not None
    assert syntax.label_value("-a") is not None
    assert syntax.qualified_name("pool") is None
    assert syntax.qualified_name("example.com/pool") is None
    for name in ("", "/pool", "Example.com/pool", "a/b/c", "a b"):
        assert syntax.qualified_name(name) is not None
