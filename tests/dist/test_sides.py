"""The two sides of the SDK, as they are installed: a plugin needs nothing of the host's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.dist.installed import Environment

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import gocdnext_sdk

def modules(package):
    for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if each.name == "gocdnext_sdk.host":
            continue
        yield each.name
        if each.ispkg:
            yield from modules(importlib.import_module(each.name))

failed = {}
found = list(modules(gocdnext_sdk))
for name in found:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
host = [name for name in sys.modules if name.startswith("gocdnext_sdk.host")]
json.dump({"found": found, "failed": failed, "host": host, "file": gocdnext_sdk.__file__}, sys.stdout)
"""

INSTALLED = """
import importlib.metadata
print(*sorted(each.name.lower() for each in importlib.metadata.distributions()))
"""

PLUGIN = """
from gocdnext_sdk import Plugin, PluginInputs

class Inputs(PluginInputs):
    pass

class Hello(Plugin[Inputs]):
    name = "gocdnext-plugin-hello"
    inputs = Inputs

    def run(self, inputs, job):
        job.say("hello")
        return {}

Hello.main()
"""


def test_with_the_plugin_extra_every_module_outside_host_can_be_imported(
    plugin_side: Environment, tmp_path: Path
) -> None:
    done = plugin_side.python("-c", IMPORT_ALL, cwd=tmp_path)
    result = json.loads(done.out)
    assert str(plugin_side.bin.parent) in result["file"]
    assert result["failed"] == {}
    assert result["host"] == []
    assert len(result["found"]) > 40


def test_the_plugin_extra_brings_nothing_of_the_hosts(plugin_side: Environment, tmp_path: Path) -> None:
    found = plugin_side.python("-c", INSTALLED, cwd=tmp_path).out.split()
    assert {"pydantic", "urllib3", "docker", "pyyaml"} <= set(found)
    assert not {"click", "rich", "oras", "bcrypt", "pyjwt", "cryptography", "python-dotenv"} & set(found)


def test_without_an_extra_a_plugin_runs(bare: Environment, tmp_path: Path) -> None:
    """One that speaks to no registry and no daemon needs nothing but pydantic."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    done = bare.python("plugin.py", cwd=tmp_path)
    assert (done.exit_code, done.out) == (0, "==> hello\n"), done.err


@pytest.mark.parametrize("argv", [[], ["--help"], ["lint"], ["--version"]])
@pytest.mark.parametrize("side", ["bare", "plugin_side"])
def test_without_its_extra_the_command_says_in_one_line_what_to_install(
    side: str, argv: list[str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    environment: Environment = request.getfixturevalue(side)
    done = environment.command(*argv, cwd=tmp_path)
    assert (done.exit_code, done.out, done.err.count("\n")) == (2, "", 1), done.err
    assert "gocdnext-plugin-sdk[cli]" in done.err
