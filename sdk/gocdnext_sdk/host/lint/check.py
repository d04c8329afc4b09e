"""Apply the rules to a text, a file, or all pipelines of a directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import gocdnext_sdk.host.lint.rules  # noqa: F401 - registers them
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.lint.rule import RULES, Finding
from gocdnext_sdk.host.lint.suppress import comments, suppress
from gocdnext_sdk.host.lint.view import View
from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.pipeline import Diagnostic, Mark, PipelineError, parse_file, parse_text

FOLDER = ".gocdnext"
"""Where the platform looks for pipelines."""
_SUFFIXES = (".yaml", ".yml")


class NothingToLint(UsageError):
    """There is no pipeline where one was expected."""


def lint_text(text: str, file: str, catalog: Catalog) -> list[Finding]:
    """Check one pipeline.

    Args:
        text: its YAML.
        file: the name that findings carry.
        catalog: the plugins that are known.

    Returns:
        What was found, in the file's order.
    """
    try:
        view = View(parse_text(text, file), catalog)
    except PipelineError as error:
        return [Finding(RULES["GP001"], problem) for problem in error.problems]
    found = (Finding(rule, problem) for rule in RULES.values() for problem in rule.check(view))
    left = dict.fromkeys(suppress(found, comments(text, file)))
    return sorted(left, key=lambda finding: (finding.problem.mark, finding.rule.id))


def lint_files(paths: Iterable[Path], catalog: Catalog) -> list[Finding]:
    """Check the pipelines in files, each by itself and beside the others."""
    paths = list(paths)
    return [*(each for path in paths for each in lint_file(path, catalog)), *_named_twice(paths)]


def lint_file(path: Path, catalog: Catalog) -> list[Finding]:
    """Check the pipeline in a file; one that cannot be read is a finding too."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        problem = Diagnostic(Mark(str(path), 1, 1), "the file is not UTF-8", "save it as UTF-8")
        return [Finding(RULES["GP001"], problem)]
    except OSError as error:
        problem = Diagnostic(Mark(str(path), 1, 1), f"cannot read the file: {error.strerror}")
        return [Finding(RULES["GP001"], problem)]
    return lint_text(text, str(path), catalog)


def _named_twice(paths: Iterable[Path]) -> Iterator[Finding]:
    """Yield the pipelines whose name another of their project has: the platform then takes none of them.

    Source: upstream `server/pkg/parser/folder.go`.
    """
    first: dict[tuple[Path, str], Path] = {}
    for path in paths:
        folder = path.parent.resolve()
        if folder.name != FOLDER:
            continue
        try:
            pipeline = parse_file(path)
        except PipelineError:
            continue  # `lint_file` says what is wrong with it
        other = first.setdefault((folder, pipeline.name), path)
        if other != path:
            what = f"the pipeline's name `{pipeline.name}` is that of {other} too"
            yield Finding(RULES["GP001"], Diagnostic(pipeline.mark, what, "give one another `name:`"))


def unknown_plugins(paths: Iterable[Path], catalog: Catalog) -> list[str]:
    """Return the images of plugins in these files that the catalog does not know, each once."""
    found: dict[str, None] = {}
    for path in paths:
        try:
            view = View(parse_text(path.read_text("utf-8"), str(path)), catalog)
        except (PipelineError, UnicodeDecodeError, OSError):
            continue  # `lint_file` says what is wrong with it
        found |= dict.fromkeys(use.plugin.image for use in view.uses if use.manifest is None)
    return [*found]


def files_in(folder: Path) -> list[Path]:
    """Return the files of pipelines in a folder; what lies in folders below it is none of the platform's."""
    return sorted(each for each in folder.glob("*.y*ml") if each.suffix in _SUFFIXES and not each.is_dir())


def pipelines(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the pipelines in `paths`: files, directories of files, or directories with `.gocdnext`.

    Raises:
        NothingToLint: one of them contains none.
    """
    for path in paths:
        if path.is_file():
            yield path
            continue
        folder = path / FOLDER if (path / FOLDER).is_dir() else path
        found = files_in(folder)
        if not found:
            raise NothingToLint(
                f"{path} contains no pipeline; name a file, or a directory with {FOLDER}/*.yaml"
            )
        yield from found
