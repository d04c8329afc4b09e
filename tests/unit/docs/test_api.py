"""Public is what the docs name: every other module says that it is not, and nobody shows another import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from docs.reference import linked, public_modules

ROOT = Path(__file__).parents[3]
SDK = ROOT / "sdk" / "gocdnext_sdk"
TEMPLATE = SDK / "host" / "scaffold" / "template"
PAGE = (ROOT / "docs" / "api.md").read_text()
PUBLIC = set(public_modules(PAGE))


def modules() -> dict[str, str]:
    """Return every module's docstring by its name."""
    found = {}
    for path in SDK.rglob("*.py"):
        if path.is_relative_to(TEMPLATE) or "bundled" in path.parts:
            continue
        name = ".".join(path.relative_to(SDK.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.get_docstring(ast.parse(path.read_text())) or ""
    return found


MODULES = modules()


def says_what_is_public(name: str) -> bool:
    """Tell whether the module, or a package around it, refers to the page."""
    parents = [name.rsplit(".", depth)[0] for depth in range(name.count("."))]
    return any("docs/api.md" in MODULES[parent] for parent in parents)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_public_or_says_that_it_is_not(name: str) -> None:
    private = any(part.startswith("_") for part in name.split("."))
    assert name in PUBLIC or private or says_what_is_public(name), f"{name} is not in docs/api.md"


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_module_is_there_and_says_what_it_is_for(name: str) -> None:
    assert import_module(name).__doc__


def test_the_site_links_each_module_to_its_page() -> None:
    assert re.findall(
        r"^\| \[`[\w.]+`\]\(api/([\w.]+)\.md\) \|", linked(PAGE), re.MULTILINE
    ) == public_modules(PAGE)


def shown() -> Iterator[tuple[str, str]]:
    """Yield all Python that authors read: of plugins, examples, the scaffold and the pages."""
    for path in [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("examples/**/*.py"), *TEMPLATE.rglob("*.py")]:
        yield str(path.relative_to(ROOT)), path.read_text()
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for block in re.findall(r"^```python[^\n]*\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL):
            yield path.name, block


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import of the SDK."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gocdnext_sdk"):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("gocdnext_sdk"))


@pytest.mark.parametrize(
    ("where", "module", "name"),
    sorted({(where, *found) for where, text in shown() for found in imported(text)}),
)
def test_what_authors_read_imports_only_what_is_public(where: str, module: str, name: str) -> None:
    assert module in PUBLIC or f"{module}.{name}" in PUBLIC, f"{where}: {module} is not in docs/api.md"
    assert not name.startswith("_")
