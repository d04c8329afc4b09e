"""Make a page of every plugin's README, whose tables are generated from its model, when mkdocs asks."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_LOCAL_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add ``plugins/NAME.md`` for every plugin."""
    root = Path(config.config_file_path).parent
    for readme in sorted(root.glob("plugins/*/README.md")):
        name = readme.parent.name
        text = _LOCAL_LINK.sub(_outside, readme.read_text(encoding="utf-8"))
        text += "".join(_examples(readme.parent))
        files.append(File.generated(config, f"plugins/{name}.md", content=text))
    return files


def _outside(link: re.Match[str]) -> str:
    """Return a link to another plugin's page, or the text of one to what is not on the site."""
    text, target = link.groups()
    other = re.fullmatch(r"\.\./([\w-]+)(/README\.md)?/?", target)
    return f"[{text}]({other[1]}.md)" if other else text


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
