"""A throw-away registry in place of a hard-coded host: which inputs and logins change, and which stay."""

from __future__ import annotations

import pytest

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.harness.stand_in import StandIn
from gocdnext_sdk.host.lint.view import Use
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Plugin, Value
from gocdnext_sdk.host.pipeline.modes import DOCKER, MODES, Mode
from gocdnext_sdk.inputs.facts import Publishes
from gocdnext_sdk.inputs.model import PluginInputs

APP = "ghcr.io/org/app"
HERE = "localhost:5000"
STAND_IN = StandIn(HERE, "harness", "throw-away-password", frozenset({APP, f"{APP}/cache"}))
LOGIN = ("registry", "username", "password", "logins")


def builder(*inputs: str) -> Manifest:
    """A plugin with a manifest that somebody wrote by hand: no rule holds its inputs to portable names."""
    return Manifest(
        name="builder",
        inputs=tuple(InputSpec(name=each, type="string", description="…") for each in inputs),
        facts=Facts(publishes=Publishes("image"), caches=("cacheRepo",)),
    )


def applied(given: dict[str, str], manifest: Manifest | None = None, mode: Mode = DOCKER) -> dict[str, str]:
    """Return a job's variables, by input, with the registry in place of what it stands in for."""
    mark = Mark("a.yaml", 1, 1)
    inputs = {key: Value(text, mark) for key, text in given.items()}
    manifest = manifest or builder("image", "cacheRepo", *LOGIN)
    use = Use("it", Plugin("builder:v1", inputs, Value("builder@v1", mark)), manifest, PluginInputs, None, ())
    environ = {keys.variable(key, mode.transform): text for key, text in given.items()}
    return STAND_IN.applied({**environ, "APP": APP}, use, mode)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_an_input_is_known_by_the_name_that_its_mode_gives_it(mode: Mode) -> None:
    found = applied({"image": APP, "cacheRepo": f"{APP}/cache"}, mode=mode)
    assert found[keys.variable("cacheRepo", mode.transform)] == f"{HERE}/{APP}/cache"
    assert found[keys.variable("username", mode.transform)] == "harness"
    assert found["APP"] == APP
    assert {name for name in found if "CACHE" in name} == {keys.variable("cacheRepo", mode.transform)}
