"""What each recipe of docs/your-image.md costs: megabytes to pull, and seconds at the start of each job.

Beside it, in the same rounds: the base and a plugin of one file. It prints the rows of the page's table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from testbed.images import built, layers
from tests.bench.measuring import Comparison, container_seconds
from tests.e2e.test_your_image import FILES

from gocdnext_sdk.host.harness.build import build_contexts
from gocdnext_sdk.host.manifest.files import write

ROUNDS = 15

ALONE = """\
FROM ghcr.io/klinux/gocdnext-plugin-base:v1
COPY *.py plugin.yaml /gocdnext/plugin/
RUN compile
"""

PLUGIN = '''
"""The bench plugin."""

from __future__ import annotations

from gocdnext_sdk import Job, Plugin, PluginInputs


class BenchInputs(PluginInputs):
    """None."""


class Bench(Plugin[BenchInputs]):
    """Import what a recipe adds."""

    name = "gocdnext-plugin-bench"
    inputs = BenchInputs

    def run(self, inputs: BenchInputs, job: Job) -> dict[str, str]:
        """Import it where it is used, as the page advises."""
        {imports}
        return {{}}


if __name__ == "__main__":
    Bench.main()
'''


@dataclass(frozen=True)
class Recipe:
    """One way to an image.

    Args:
        dockerfile: makes it.
        imports: what the plugin imports.
        requirements: the packages.
        limit: how many times as long as the base and a plugin of one file it may take.
    """

    dockerfile: str
    imports: str
    requirements: str = ""
    limit: float = 1.3


PACKAGES = "requests\nboto3\n"
WHOLE = FILES["Dockerfile"]
NOT_COMPILED = WHOLE.replace("RUN compile\n", "")

RECIPES = {
    "a helper module": Recipe(ALONE, "from . import tables"),
    "a helper module, not compiled": Recipe(ALONE.replace("RUN compile\n", ""), "from . import tables"),
    "`requests`": Recipe(WHOLE, "import requests", "requests\n", limit=1.6),
    "`requests` and `boto3`": Recipe(WHOLE, "import requests, boto3", PACKAGES, limit=2.2),
    "`requests` and `boto3`, not compiled": Recipe(NOT_COMPILED, "import requests, boto3", PACKAGES, limit=4),
    "a distribution": Recipe(FILES["Dockerfile.distribution"], "pass"),
}


@contextmanager
def made(folder: Path, recipe: Recipe) -> Iterator[str]:
    """Have a recipe's image on the engine while the block runs."""
    folder.mkdir()
    for name, text in {
        "plugin.py": PLUGIN.format(imports=recipe.imports),
        "tables.py": FILES["tables.py"],
        "requirements.txt": recipe.requirements,
        "Dockerfile": recipe.dockerfile,
    }.items():
        (folder / name).write_text(text)
    write(folder)
    with built(folder) as tag:
        yield tag


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of the base and a plugin of one file."""
    with made(tmp_path_factory.mktemp("alone") / "plugin", Recipe(ALONE, "pass")) as tag:
        yield tag


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    found = docker.from_env(timeout=300)
    yield found
    found.close()


def added(tag: str, start: str) -> float:
    """Return the compressed megabytes of an image that the one it starts from does not have."""
    there = {layer.digest for layer in layers(start)}
    return sum(layer.size for layer in layers(tag) if layer.digest not in there) / 1e6


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_costs_what_the_page_says(
    name: str, alone: str, client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPES[name]
    base = build_contexts()["base"].removeprefix("docker-image://")
    # The tests' Python image stands for the distribution, on a host that cannot pull one made for them.
    start = os.environ["BASE"] if recipe.dockerfile == FILES["Dockerfile.distribution"] else base

    def seconds(image: str) -> Callable[[], float]:
        return lambda: container_seconds(client, image, network_mode="none", environment={"GOCDNEXT": "true"})

    with made(tmp_path / "plugin", recipe) as image:
        size = added(image, start)
        found = Comparison.of(seconds(image), seconds(alone), ROUNDS)
        with capsys.disabled():
            print(f"\n| {name} | {size:.1f} MB | {found.ratio:.2f} |  ({found.ours:.3f} s)")
        assert found.ratio <= recipe.limit
