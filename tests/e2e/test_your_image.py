"""The recipes of docs/your-image.md: each Dockerfile is built as it stands there, and does what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from testbed.images import built

from gocdnext_sdk.host.manifest.files import write
from gocdnext_sdk.host.testing import PluginRunner

PAGE = (Path(__file__).parents[2] / "docs/your-image.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin of the page."""
    folder = tmp_path_factory.mktemp("units")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    write(folder)
    return folder


@pytest.fixture(scope="module")
def image(folder: Path) -> Iterator[str]:
    with built(folder) as tag:
        yield tag


@pytest.fixture(scope="module")
def on_distribution(folder: Path) -> Iterator[str]:
    with built(folder, "Dockerfile.distribution") as tag:
        yield tag


def test_a_helper_module_and_a_package_with_compiled_code_are_imported(
    folder: Path, image: str, run_plugin: PluginRunner
) -> None:
    result = run_plugin(folder, {"text": '{"a": 1, "b": 2}'}, mode="image", image=image).passed()
    assert result.outputs == {"KEYS": "2"}


def test_the_packages_are_compiled_and_behind_the_sdks(folder: Path, image: str) -> None:
    program = (
        "import sys; sys.path += ['/gocdnext/packages', '/gocdnext/plugin/packages']; import orjson, urllib3;"
        "print(orjson.__cached__, orjson.orjson.__file__, urllib3.__file__)"
    )
    client = docker.from_env()
    out = client.containers.run(
        image,
        ["--library-path", "/gocdnext/lib", "/gocdnext/bin/python3", "-I", "-S", "-c", program],
        entrypoint="/gocdnext/ld.so",
        remove=True,
        network_mode="none",
    ).decode()
    client.close()
    compiled, native, urllib3 = out.split()
    assert native.endswith(".so")
    assert compiled.startswith("/gocdnext/plugin/packages/orjson/__pycache__/")
    assert urllib3.startswith("/gocdnext/packages/")
    launcher = (Path(__file__).parents[2] / "sdk/launch.py").read_text()
    assert 'sys.path += [f"{home}/packages", f"{home}/plugin/packages"]' in launcher


def test_a_missing_package_is_one_line_and_70(
    folder: Path, on_distribution: str, run_plugin: PluginRunner
) -> None:
    """The distribution's Python has packages of its own, which are not looked at."""
    result = run_plugin(folder, {"text": "{}"}, mode="image", image=on_distribution).exited(70)
    line = (
        FILES["tables.py"]
        .splitlines()
        .index("    import orjson  # where it is used: each start of the plugin pays for its imports")
    )
    said = "ModuleNotFoundError: No module named 'orjson'"
    assert result.errors == (f"/gocdnext/plugin/tables.py:{line + 1}: {said}",)


def test_a_tool_of_the_distribution_runs_beside_the_runtime(
    folder: Path, on_distribution: str, run_plugin: PluginRunner, tmp_path: Path
) -> None:
    other = tmp_path / "asking"
    other.mkdir()
    plugin = FILES["plugin.py"].replace(
        "str(tables.keys(inputs.text))", 'job.tool("python3").capture("--version").stdout.decode().strip()'
    )
    (other / "plugin.py").write_text(plugin)
    (other / "tables.py").write_text(FILES["tables.py"])
    (other / "plugin.yaml").write_text((folder / "plugin.yaml").read_text())
    (other / "Dockerfile").write_text(FILES["Dockerfile.distribution"])
    with built(other) as image:
        result = run_plugin(other, mode="image", image=image).passed()
        assert re.fullmatch(r"Python 3\.\d+\.\d+", result.outputs["KEYS"])
