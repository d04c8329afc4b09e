"""The formats of a report, and how `reports` names them."""

from __future__ import annotations

from os.path import normpath
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import WithJsonSchema

from gocdnext_sdk import Invalid, in_workspace, one_of
from gocdnext_sdk.inputs.parsers import parse_lines
from gocdnext_sdk.workspace import workspace_path

TEMPLATES = ("html", "junit", "gitlab", "gitlab-codequality", "asff")
"""Formats that Trivy writes by a template of its own (aquasecurity/trivy `contrib/`)."""

Format = Literal[
    "table",
    "json",
    "sarif",
    "template",
    "cyclonedx",
    "spdx",
    "spdx-json",
    "github",
    "cosign-vuln",
    "html",
    "junit",
    "gitlab",
    "gitlab-codequality",
    "asff",
]

FORMATS: tuple[str, ...] = get_args(Format)

OF_ONE_IMAGE = frozenset({"cyclonedx", "spdx", "spdx-json", "github", "cosign-vuln"})
"""They describe one image, and have no place for a platform."""

SBOMS = frozenset({"cyclonedx", "spdx", "spdx-json"})
SCANS = frozenset({"cosign-vuln"})

PLATFORM = "{platform}"
"""In a path: a file for each platform."""

MEDIA_TYPES = {
    "json": "application/json",
    "sarif": "application/sarif+json",
    "cyclonedx": "application/vnd.cyclonedx+json",
    "spdx": "text/spdx",
    "spdx-json": "application/spdx+json",
    "github": "application/json",
    "cosign-vuln": "application/json",
    "html": "text/html",
    "junit": "application/xml",
    "gitlab": "application/json",
    "gitlab-codequality": "application/json",
    "asff": "application/json",
}
"""Where a format has one; the others are plain text. Source: IANA's registry of media types."""


class Wanted(NamedTuple):
    """A report to write."""

    format: str
    path: str
    """In the workspace; empty: the log."""

    @property
    def place(self) -> str:
        """The file itself, however its path is written."""
        return normpath(self.path)

    @property
    def is_of_one_image(self) -> bool:
        """Whether it describes one image."""
        return self.format in OF_ONE_IMAGE

    def __str__(self) -> str:
        return f"{self.format}={self.path}"


def _wanted(text: str, workspace: Path | None) -> tuple[Wanted, ...]:
    found: dict[str, Wanted] = {}
    for number, line in enumerate(parse_lines(text), start=1):
        name, equals, path = (part.strip() for part in line.partition("="))
        if not equals or not path:
            raise Invalid(f"item {number} is not FORMAT=PATH", 'such as "sarif=reports/trivy.sarif"')
        (name,) = one_of(*FORMATS).check((name,))
        wanted = Wanted(name, workspace_path(path, workspace))
        if wanted.place in found:
            raise Invalid(f"item {number} has the path of an earlier one", "give each report its own file")
        found[wanted.place] = wanted
    return tuple(found.values())


Reports = Annotated[
    tuple[Wanted, ...], in_workspace(_wanted), WithJsonSchema({"type": "string", "format": "lines"})
]
"""Reports to write, one `FORMAT=PATH` a line."""
