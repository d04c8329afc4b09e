"""A plugin's page shows the same job in the words of every system, and each arrives as on gocdnext."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gocdnext_sdk.contract.dialects import dialect
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.model import Example, Manifest
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.host.manifest.usage import SYSTEMS, usage
from gocdnext_sdk.inputs.model import with_key
from gocdnext_sdk.inputs.translation import translate

ROOT = Path(__file__).parents[4]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/plugin.yaml"))
TITLES = {dialect(name).title: name for name in SYSTEMS}

EXAMPLE = """
uses: ghcr.io/org/gocdnext-plugin-teller@v1
docker: true
secrets: [TOKEN]
with:
  image: ghcr.io/org/app:${CI_COMMIT_SHORT_SHA}
  token: ${{ TOKEN }}
  count: 1.50
  lines: |
    a=1
    b=2
"""
TELLER = Manifest(
    name="gocdnext-plugin-teller",
    examples=(
        Example("of another job", "…", "uses: a\nwith: {image: '${{ needs.build.outputs.image }}'}"),
        Example("of its own", "…", EXAMPLE),
    ),
)


def environ(system: str, text: str) -> dict[str, str]:
    """Return the variables that a system makes of the job that is shown."""
    content = yaml.safe_load(text)
    match system:
        case "github":
            return {f"INPUT_{key.upper()}": value for key, value in content[-1]["with"].items()}
        case "gitlab":
            ((_, job),) = content.items()
            return {key: value for key, value in job["variables"].items() if key.startswith("PLUGIN_")}
        case "woodpecker" | "drone":
            given: dict[str, Any] = content["steps"][0]["settings"]
            rules = dialect(system)
            return rules.hand_over(
                {key: value if isinstance(value, str) else "secret" for key, value in given.items()}
            )
        case "bitbucket":
            found: dict[str, str] = content["step"]["script"][0]["variables"]
            return found
        case _:
            return {each["name"]: each.get("value", "secret") for each in content["steps"][0]["env"]}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
@pytest.mark.parametrize("title", TITLES)
def test_a_job_that_is_shown_arrives_as_on_gocdnext(folder: Path, title: str) -> None:
    from gocdnext_sdk.host.manifest.load import load_plugin

    shown = usage(read_catalog(folder / "plugin.yaml"))
    rules = dialect(TITLES[title])
    model = load_plugin(folder).inputs
    found = translate(model, {**rules.marks, **environ(rules.name, shown[title])}, rules)
    wanted = yaml.load(shown["gocdnext"], Loader=yaml.BaseLoader)["with"]
    inputs = {variable(with_key(name)) for name in model.model_fields}
    given = {name: text for name, text in found.items() if name in inputs}
    assert set(given) == {variable(key) for key in wanted}
    for key, text in wanted.items():
        if "$" not in text:
            assert given[variable(key)].strip() == text.strip(), key


@pytest.mark.parametrize("title", TITLES)
def test_expressions_secrets_and_the_daemon_are_the_systems_own(title: str) -> None:
    text = usage(TELLER)[title]
    content = yaml.safe_load(text)
    values = environ(TITLES[title], text)
    assert not re.search(r"\$\{CI_COMMIT_SHORT_SHA\}", text)
    assert any(name in text for name in ("github.sha", "COMMIT", "params.revision"))
    assert "1.50" in values.values()
    assert "a=1\nb=2\n" in values.values()
    assert re.search(r"secrets\.TOKEN|\$TOKEN|from_secret: token|key: TOKEN", text)
    assert content
    if title in ("GitLab CI", "Woodpecker", "Bitbucket Pipelines"):
        assert re.search(r"- docker:dind|/docker\.sock|- docker$", text, re.MULTILINE)


def test_a_plugin_without_an_example_shows_none() -> None:
    assert usage(Manifest(name="x")) == {}
