"""A plugin's folder is a package of its own, wherever it lies."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.load import FolderError, load_plugin

PLUGIN = """
from gocdnext_sdk import Plugin, PluginInputs
{imports}

class Inputs(PluginInputs):
    pass

class Example(Plugin[Inputs]):
    name = "gocdnext-plugin-{name}"
    inputs = Inputs
    category = helper.NAME

    def run(self, inputs, job):
        from . import late
        return {{"NAME": late.NAME}}
"""


def folder(at: Path, name: str, imports: str = "from . import helper") -> Path:
    path = at / name
    path.mkdir()
    (path / "plugin.py").write_text(PLUGIN.format(imports=imports, name=name))
    for module in ("helper", "late"):
        (path / f"{module}.py").write_text(f"NAME = {name!r}")
    return path


def test_two_plugins_with_a_module_of_one_name_have_each_its_own(tmp_path: Path) -> None:
    a, b = (load_plugin(folder(tmp_path, name)) for name in ("a", "b"))
    assert (a.category, b.category) == ("a", "b")


def test_a_module_imported_late_is_the_plugins_own_too(tmp_path: Path) -> None:
    a, b = (load_plugin(folder(tmp_path, name)) for name in ("a", "b"))
    found = [plugin().run(None, None) for plugin in (a, b)]  # type: ignore[arg-type]
    assert found == [{"NAME": "a"}, {"NAME": "b"}]


def test_nothing_of_a_plugin_can_be_imported_by_others(tmp_path: Path) -> None:
    before = list(sys.path)
    load_plugin(folder(tmp_path, "a"))
    assert sys.path == before
    assert "helper" not in sys.modules


def test_an_import_of_a_sibling_by_its_bare_name_is_told_how_to_write(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"plugin\.py:3: .*write `from \. import helper`"):
        load_plugin(folder(tmp_path, "a", "import helper"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '    name = "gocdnext-plugin-a"\n',
            "plugin.py: Example has no `name`; ",
        ),
        ("    inputs = Inputs\n", "plugin.py: Example has no `inputs`; "),
        ("    def run(self, inputs, job):\n", "plugin.py: Example has no `run`; "),
    ],
)
def test_what_a_class_lacks_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = folder(tmp_path, "a")
    text = (path / "plugin.py").read_text()
    (path / "plugin.py").write_text(text.replace(line, line.replace("run", "rnu") if "run" in line else ""))
    with pytest.raises(FolderError) as caught:
        load_plugin(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["My Plugin", "ghcr.io/org/a", "a:v1", "a@sha256", ""])
def test_a_name_that_no_image_can_end_with_is_refused(tmp_path: Path, name: str) -> None:
    path = folder(tmp_path, "a")
    (path / "plugin.py").write_text((path / "plugin.py").read_text().replace("gocdnext-plugin-a", name))
    with pytest.raises(FolderError, match="the last part of an image's name"):
        load_plugin(path)


def test_a_mistake_of_several_lines_is_told_in_one(tmp_path: Path) -> None:
    path = folder(tmp_path, "a")
    text = (path / "plugin.py").read_text()
    (path / "plugin.py").write_text(text.replace("    pass", "    path = 1"))
    with pytest.raises(FolderError) as caught:
        load_plugin(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_mistake_in_a_module_is_told_with_its_line(tmp_path: Path) -> None:
    path = folder(tmp_path, "a")
    (path / "helper.py").write_text("\n\nNAME = missing")
    with pytest.raises(FolderError, match=r"helper\.py:3: cannot be imported: NameError"):
        load_plugin(path)
    (path / "helper.py").write_text("NAME = 'a'")
    assert load_plugin(path).category == "a"
