"""The page about a run's objects names all that they have, and nothing else, and its examples work."""

from __future__ import annotations

import re
import subprocess
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import (
    Ci,
    Commit,
    Completed,
    Credential,
    Credentials,
    Git,
    HttpResponse,
    Job,
    Reference,
    Registry,
    RegistryClient,
    Secret,
    Tool,
)
from gocdnext_sdk.host.testing.fixtures import FakeTools
from gocdnext_sdk.oci.client import Descriptor
from gocdnext_sdk.runtime.ci import PullRequest, Upstream

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "job.md").read_text()
SECTIONS = dict(re.findall(r"^## `?(\w+)`?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = {
    name: found[1]
    for name, text in SECTIONS.items()
    if (found := re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
}
CONTACTS = re.compile(r"job\.(registry|http)\(")


def members(kind: type) -> set[str]:
    """Return what is public in a class: methods, properties, and what authors read of its fields."""
    found = {name for name in vars(kind) if not name.startswith("_")}
    if kind is Job:
        return found | {"environ", "workspace"}
    fields = set(kind.__dataclass_fields__) if is_dataclass(kind) else set()
    return found - fields if kind is Tool else found | fields  # a tool's fields are for `Job.tool` alone


@pytest.mark.parametrize(
    ("kind", "section"),
    [
        (Job, "Job"),
        (Ci, "Ci"),
        (PullRequest, "Ci"),
        (Upstream, "Ci"),
        (Tool, "Tool"),
        (Completed, "Tool"),
        (HttpResponse, "HttpResponse"),
        (Git, "Git"),
        (Commit, "Git"),
        (RegistryClient, "RegistryClient"),
        (Descriptor, "RegistryClient"),
        (Reference, "Reference"),
        (Credentials, "Credentials"),
        (Credential, "Credentials"),
        (Secret, "Secret"),
    ],
)
def test_every_public_name_is_on_the_page(kind: type, section: str) -> None:
    named = set(re.findall(r"`[^`\n]*?\.(\w+)\b[^`\n]*`", SECTIONS[section]))
    assert members(kind) <= named, f"docs/job.md lacks {sorted(members(kind) - named)} of {kind.__name__}"


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("job", Job),
        ("tool", Tool),
        ("response", HttpResponse),
        ("git", Git),
        ("registry", RegistryClient),
        ("credentials", Credentials),
        ("Credentials", Credentials),
        ("secret", Secret),
        ("Reference", Reference),
        ("Registry", Registry),
    ],
)
def test_every_method_on_the_page_is_there(prefix: str, kind: type) -> None:
    named = set(re.findall(rf"`(?:with )?{prefix}\.(\w+)\(", PAGE))
    assert named
    assert all(hasattr(kind, name) for name in named), named


def test_every_section_has_an_example() -> None:
    assert set(EXAMPLES) == set(SECTIONS)


@pytest.fixture
def checkout(workspace: Path) -> None:
    """Make two commits in the workspace."""
    for message in ("first", "second"):
        (workspace / "README.md").write_text(message)
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", message]):
            author = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
            subprocess.run(["git", "-C", workspace, *author, *command], check=True)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_planned_to_its_end(name: str, example: Any) -> None:
    assert not example.plan(EXAMPLES[name]).ends


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("name", [name for name, text in EXAMPLES.items() if not CONTACTS.search(text)])
def test_an_example_runs(name: str, example: Any, fake_tools: FakeTools) -> None:
    fake_tools.add("linter", stdout="1.0\n")
    fake_tools.add("copier")
    example.run(EXAMPLES[name]).passed()
