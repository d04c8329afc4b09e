"""Make a page of every plugin's README, whose tables are generated from its model, when mkdocs asks."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import indent

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))
from gocdnext_sdk.host.manifest.plugin_yaml import read_catalog
from gocdnext_sdk.host.manifest.usage import usage

_LOCAL_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add ``plugins/NAME.md`` for every plugin."""
    root = Path(config.config_file_path).parent
    for readme in sorted(root.glob("plugins/*/README.md")):
        name = readme.parent.name
        text = _LOCAL_LINK.sub(_outside, readme.read_text(encoding="utf-8"))
        text += "".join((*_everywhere(readme.parent), *_examples(readme.parent)))
        files.append(File.generated(config, f"plugins/{name}.md", content=text))
    return files


def _outside(link: re.Match[str]) -> str:
    """Return a link to another plugin's page, or the text of one to what is not on the site."""
    text, target = link.groups()
    other = re.fullmatch(r"\.\./([\w-]+)(/README\.md)?/?", target)
    return f"[{text}]({other[1]}.md)" if other else text


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
