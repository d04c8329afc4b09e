"""Which build arguments buildx may find in its environment."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.buildkit.arguments import BuildArg, build_arguments


def plan(key: str, value: str | None, taken: tuple[str, ...] = (), **environ: str) -> BuildArg:
    (argument,) = build_arguments([(key, value)], environ, taken)
    return argument


@pytest.mark.parametrize("value", ["1.25", "-X a,-Y b", 'say "hi"', "--leading", "", "a=b"])
def test_values_stay_off_the_command_line(value: str) -> None:
    argument = plan("FLAGS", value)
    assert (argument.word, argument.value) == ("FLAGS", value)


@pytest.mark.parametrize(
    "key", ["DOCKER_PASSWORD", "GO_VERSION", "GOPROXY", "GITHUB_TOKEN", "NPM_TOKEN", "SOURCE_DATE_EPOCH"]
)
def test_names_that_only_look_alike_are_free(key: str) -> None:
    assert plan(key, "x").word == key


@pytest.mark.parametrize(
    "key", ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "BUILDX_BUILDER", "BUILDKIT_HOST", "AWS_REGION"]
)
def test_names_that_steer_buildx_do_not_get_into_its_environment(key: str) -> None:
    assert plan(key, "x").word == f"{key}=x"


def test_a_bare_name_takes_the_jobs_value() -> None:
    assert plan("NPM_TOKEN", None, NPM_TOKEN="t").value == "t"


def test_a_bare_proxy_is_what_buildx_has_already() -> None:
    proxy = "http://user:pass@proxy.example:3128"
    argument = plan("HTTPS_PROXY", None, HTTPS_PROXY=proxy)
    assert argument.word == "HTTPS_PROXY"
    assert not argument.is_exposed


def test_another_proxy_stands_on_the_command_line() -> None:
    argument = plan("HTTPS_PROXY", "http://other.example:3128", HTTPS_PROXY="http://proxy.example:3128")
    assert argument.word == "HTTPS_PROXY=http://other.example:3128"
    assert not argument.is_exposed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HTTPS_PROXY", "http://user:pass@proxy.example"),
        ("AWS_SECRET_ACCESS_KEY", "wJalr"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=x"),
    ],
)
def test_a_secret_that_would_stand_there_is_noticed(key: str, value: str) -> None:
    assert plan(key, value).is_exposed


def test_a_build_secrets_variable_keeps_its_value() -> None:
    assert plan("TOKEN", "argument", taken=("TOKEN",), TOKEN="secret").is_exposed
    assert plan("TOKEN", None, taken=("TOKEN",), TOKEN="secret").word == "TOKEN"
