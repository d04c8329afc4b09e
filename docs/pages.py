"""Make a page of every plugin and of every public module, and let links fit the site, when mkdocs asks."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from textwrap import indent

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))
from docs.reference import linked, public_modules

from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.host.manifest.usage import usage

_LOCAL_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)#]+)(#[^)]+)?\)")
_PLUGIN = re.compile(r"plugins/([\w-]+)(?:/README\.md)?")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add ``plugins/NAME.md`` for every plugin, and ``api/MODULE.md`` for every public module."""
    root = Path(config.config_file_path).parent
    for module in public_modules((root / "docs" / "api.md").read_text(encoding="utf-8")):
        text = f"# `{module}`\n\nOne of [the public modules](../api.md).\n\n::: {module}\n"
        files.append(File.generated(config, f"api/{module}.md", content=text))
    for readme in sorted(root.glob("plugins/*/README.md")):
        name = readme.parent.name
        text = _for_the_site(readme.read_text(encoding="utf-8"), f"plugins/{name}", "plugins")
        text += "".join((*_everywhere(readme.parent), *_examples(readme.parent)))
        files.append(File.generated(config, f"plugins/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page in ``docs/``, which fit the checkout, fit the site."""
    if page.file.src_uri.startswith(("api/", "plugins/")):
        return markdown  # made for the site
    text = _for_the_site(markdown, "docs", ".")
    return linked(text) if page.file.src_uri == "api.md" else text


def _for_the_site(text: str, folder: str, place: str) -> str:
    """Return a page with links from its place on the site.

    Args:
        text: the page, with links from `folder`.
        folder: where it lies in the checkout.
        place: the directory of the site that it goes to.
    """

    def rewritten(link: re.Match[str]) -> str:
        shown, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        plugin = _PLUGIN.fullmatch(path)
        there = f"plugins/{plugin[1]}.md" if plugin else path.removeprefix("docs/")
        if there == path and not plugin:
            return str(shown)  # what is not on the site is named there, not linked
        return f"[{shown}]({posixpath.relpath(there, place)}{anchor or ''})"

    return _LOCAL_LINK.sub(rewritten, text)


def _everywhere(folder: Path) -> list[str]:
    """Return the same job in the words of every CI system, as tabs."""
    found = usage(read_catalog(folder / "plugin.yaml"))
    tabs = [f'=== "{title}"\n\n' + indent(f"```yaml\n{text}```\n", "    ") for title, text in found.items()]
    intro = "\n## On every CI system\n\nThe same job, see [CI systems](../ci-systems.md).\n"
    return [intro, *(f"\n{tab}" for tab in tabs)] if tabs else []


def _examples(folder: Path) -> list[str]:
    """Return the files in ``examples`` as sections, titled by their header comments."""
    sections = ["\n## Examples\n"]
    for path in sorted(folder.glob("examples/*.yaml")):
        name, description, *yaml = path.read_text(encoding="utf-8").splitlines()
        body = "\n".join(yaml).strip()
        sections.append(
            f"\n### {name.removeprefix('# name: ')}\n\n{description.removeprefix('# description: ')}\n\n"
            f"```yaml\n{body}\n```\n"
        )
    return sections if len(sections) > 1 else []
