"""The reference of the API: every public name is in it, with its docstring and its signature."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from docs.reference import Reference, public_modules
from griffe import Class, Docstring, Expr, GriffeLoader, Module, Object, load_extensions
from griffe import DocstringSectionKind as Kind

ROOT = Path(__file__).parents[3]
PUBLIC = public_modules((ROOT / "docs" / "api.md").read_text())


@pytest.fixture(scope="module")
def sdk() -> Module:
    loader = GriffeLoader(
        search_paths=[ROOT / "sdk"],
        extensions=load_extensions(Reference()),
        docstring_parser="google",
        docstring_options={"returns_named_value": False, "returns_multiple_items": False},
        allow_inspection=False,
    )
    package = loader.load("gocdnext_sdk")
    loader.resolve_aliases(external=False)
    assert isinstance(package, Module)
    return package


def shown(sdk: Module, name: str) -> dict[str, Object]:
    """Return what the page of a module shows, by name."""
    module = sdk.modules_collection[name]
    public = [each for each in module.members.values() if each.is_public and not each.is_module]
    return {each.name: each.final_target if each.is_alias else each for each in public}


def exported(module: ModuleType) -> set[str]:
    """Return what an import of the module gives."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_a_page_shows_what_the_module_exports(name: str, sdk: Module) -> None:
    found = shown(sdk, name)
    assert found
    assert exported(import_module(name)) <= set(found)
    assert [each for each, known in found.items() if not known.has_docstring] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings_fit_their_signatures(name: str, sdk: Module, caplog: pytest.LogCaptureFixture) -> None:
    """Else the site is not built, or shows the beginning of a sentence as the type of what is returned."""
    for known in shown(sdk, name).values():
        for each in (known, *(known.members.values() if isinstance(known, Class) else ())):
            if each.docstring and not each.is_alias:
                assert not any(isinstance(said, str) for said in types_said(each.docstring)), each.path
    assert caplog.messages == []


def types_said(docstring: Docstring) -> list[Expr | str | None]:
    """Return the types of what is returned; text that is none stays text."""
    sections = [each for each in docstring.parsed if each.kind in (Kind.returns, Kind.yields)]
    return [value.annotation for section in sections for value in section.value]


def test_an_input_is_described_by_its_declaration(sdk: Module) -> None:
    inputs = shown(sdk, "gocdnext_sdk")["ImageBuildInputs"]
    tags = inputs["tags"]
    assert tags.docstring.value.endswith("`latest` if neither this nor `image` has one.")
    assert tags.docstring.value.startswith("Tags, one per line")
    assert str(tags.value) == "''"


def test_a_named_tuple_is_made_with_its_fields(sdk: Module) -> None:
    file = shown(sdk, "gocdnext_sdk.oci.referrers")["File"]
    assert isinstance(file, Class)
    assert [each.name for each in file.parameters] == ["self", "name", "media_type", "content"]
