"""Every rule about images and secrets holds for plugins that this project has never heard of.

Three are made up here, with inputs of other names than ours, and known by what `gocdnext-plugin manifest`
writes for them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gocdnext_sdk.host.lint.check import lint_text
from gocdnext_sdk.host.lint.rule import RULES
from gocdnext_sdk.host.manifest.catalog import Catalog, bundled
from gocdnext_sdk.host.manifest.files import write
from gocdnext_sdk.host.manifest.load import FolderError

ROOT = Path(__file__).parents[4]
HEAD = """
from gocdnext_sdk import *


class Inputs(PluginInputs):
    name: References = Input(description="The image.")
    user: str | None = Input(None, description="Who.", login=True)
    word: Secret | None = Input(None, description="The word.")
"""
BUILDER = """
    versions: Tags = Input("", description="Tags.")
    upload: Boolean = Input("yes", description="Whether to push.")
    candidate: Boolean = Input("no", description="Whether to push without a tag.")
    arches: Words = Input("", description="Platforms.")
    layers: Lines = Input("", description="Caches.")


class Forge(Plugin[Inputs]):
    name = "forge"
    inputs = Inputs
    outputs = {"REFERENCE": "What was pushed."}
    publishes = Publishes("name", tags="versions", push="upload", by_digest="candidate", platforms="arches")
    daemon = DaemonUse("always")
    caches = ("layers",)
    variables = ("FORGE_",)
"""
SCANNER = """
    place: str = Input("registry", description="Where it is.")
    advisory: Boolean = Input("no", description="Whether findings do not count.")


class Peek(Plugin[Inputs]):
    name = "peek"
    inputs = Inputs
    reads = (Reads("name", unless={"place": ("daemon", "file")}),)
    gates = Gates(unless={"advisory": "true"})
    daemon = DaemonUse("always", when={"place": "daemon"})
"""
SIGNER = """
    seal: str | None = Input(None, description="Path of the seal.")
    wax: Secret | None = Input(None, description="The seal itself.")
    badge: str = Input("BADGE", description="Name of the token.")
    mode: str = Input("stamp", description="What to do.")


class Seal(Plugin[Inputs]):
    name = "seal"
    inputs = Inputs
    reads = (Reads("name"),)
    signs = (Signs(key="seal", key_content="wax", identity_name="badge", when={"mode": "stamp"}),)
    daemon = DaemonUse("never")
"""
RUN = """
    def run(self, inputs, job):
        return {}
"""
LOGIN = "user: ci, word: '${{ WORD }}'"
BUILD = (
    f"build: {{stage: s, docker: true, uses: a.b/forge@v1, secrets: [WORD], with: {{name: c.d/e, {LOGIN}}}}}"
)
SCAN = (
    f"scan: {{stage: s, uses: a.b/peek@v1, secrets: [WORD], needs: [build], with: {{name: c.d/e, {LOGIN}}}}}"
)
SIGN = (
    "sign: {stage: s, uses: a.b/seal@v1, secrets: [WORD, WAX_KEY], needs: [scan], "
    f"with: {{name: c.d/e, wax: '${{{{ WAX_KEY }}}}', {LOGIN}}}}}"
)
GOOD = f"{BUILD}\n{SCAN}\n{SIGN}\n"

Change = tuple[str, str]
Found = Callable[..., set[str]]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plugins")
    for name, source in (("forge", BUILDER), ("peek", SCANNER), ("seal", SIGNER)):
        (root / name).mkdir()
        (root / name / "plugin.py").write_text(HEAD + source + RUN)
        write(root / name)
    return root


@pytest.fixture
def found(plugins: Path) -> Found:
    """The rules that the three jobs break after changes to their text."""

    def check(*changes: Change) -> set[str]:
        catalog = Catalog.load([plugins])
        text = GOOD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        jobs = "".join(f"  {line}\n" for line in text.splitlines())
        findings = lint_text(f"stages: [s]\njobs:\n{jobs}", "ci.yaml", catalog)
        return {finding.rule.id for finding in findings}

    return check


def test_what_is_right_is_right(found: Found) -> None:
    assert found() == {"GP407"}  # a note: tags where digests are at hand


BREAKS: dict[str, tuple[Change, ...]] = {
    "GP201": ((SCAN, SCAN.replace("[WORD]", "[]")),),
    "GP202": ((SCAN, SCAN.replace("[WORD]", "[WORD, OTHER]")),),
    "GP203": ((SCAN, SCAN.replace("'${{ WORD }}'", "hunter2")),),
    "GP204": (("wax:", "seal:"), ("WAX_KEY }", "SIGNING_KEY }"), ("WAX_KEY]", "SIGNING_KEY]")),
    "GP205": (("sign: {", "sign: {docker: true, "),),
    "GP401": (("needs: [build], ", ""),),
    "GP402": ((BUILD, BUILD.replace("with: {", "with: {upload: off, ")),),
    "GP403": ((BUILD, BUILD.replace("with: {", "with: {versions: v1, ")),),
    "GP404": ((SCAN, SCAN.replace("user: ci, ", "")),),
    "GP405": ((BUILD, BUILD.replace("with: {", "with: {upload: no, arches: 'a,b', ")),),
    "GP406": ((BUILD, BUILD.replace("with: {", "with: {layers: 'type=gha', ")),),
    "GP407": (),
    "GP408": (("docker: true, ", ""),),
    "GP409": (("sign: {", "sign: {docker: true, "),),
    "GP410": (("wax: '${{ WAX_KEY }}', ", ""), (", WAX_KEY]", "]")),
    "GP411": (("needs: [scan]", "needs: [build]"),),
    "GP412": ((SIGN, f"{SIGN}\n{SIGN.replace('sign:', 'again:')}"),),
    "GP413": ((BUILD, BUILD.replace("c.d/e", "'c.d/e:${CI_BRANCH}'")),),
}


@pytest.mark.parametrize("rule", BREAKS)
def test_a_rule_sees_what_is_wrong(found: Found, rule: str) -> None:
    assert rule in found(*BREAKS[rule])


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("GP202", ((BUILD, BUILD.replace("[WORD]", "[WORD, FORGE_PASS]")),)),
        ("GP402", ((BUILD, BUILD.replace("with: {", "with: {upload: '${{ CI_BRANCH }}', ")),)),
        (
            "GP402",
            (
                (BUILD, BUILD.replace("with: {", "with: {upload: no, ")),
                *((job, job.replace("name: c.d/e", "name: c.d/f")) for job in (SCAN, SIGN)),
            ),
        ),
        ("GP404", ((SCAN, SCAN.replace("uses", "agent: {profile: big}, uses").replace("user: ci, ", "")),)),
        ("GP408", (("docker: true, ", "variables: {DOCKER_HOST: 'tcp://d:1'}, "),)),
        (
            "GP409",
            ((SCAN, SCAN.replace("stage", "docker: true, stage").replace("name:", "place: daemon, name:")),),
        ),
        ("GP410", (("wax: '${{ WAX_KEY }}'", "mode: check"),)),
        (
            "GP412",
            ((SIGN, f"{SIGN}\n{SIGN.replace('sign:', 'again:').replace('name:', 'mode: check, name:')}"),),
        ),
        ("GP412", ((SIGN, f"{SIGN}\n{SIGN.replace('sign:', 'again:').replace('[scan]', '[scan, sign]')}"),)),
        (
            "GP411",
            (("needs: [scan]", "needs: [build]"), (SCAN, SCAN.replace("name:", "advisory: on, name:"))),
        ),
    ],
)
def test_a_rule_leaves_alone_what_the_facts_except(
    found: Found, rule: str, changes: tuple[Change, ...]
) -> None:
    assert rule not in found(*changes)


def test_the_facts_are_all_that_the_rules_go_by(plugins: Path, tmp_path: Path) -> None:
    """The same plugins with the same inputs, but nothing said of them: no rule about images has a word."""
    for name in ("forge", "peek", "seal"):
        content = yaml.safe_load((plugins / name / "plugin.yaml").read_text())
        bare = {key: value for key, value in content.items() if not key.startswith("x-")}
        (tmp_path / name).mkdir()
        (tmp_path / name / "plugin.yaml").write_text(yaml.safe_dump(bare))
    catalog = Catalog.load([tmp_path])
    for changes in BREAKS.values():
        text = GOOD
        for old, new in changes:
            text = text.replace(old, new, 1)
        jobs = "".join(f"  {line}\n" for line in text.splitlines())
        findings = lint_text(f"stages: [s]\njobs:\n{jobs}", "ci.yaml", catalog)
        assert not [finding for finding in findings if finding.rule.id.startswith("GP4")]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Reads("name"', 'Reads("nmae"', '`reads` names the input "nmae"'),
        ('unless={"place"', 'unless={"plcae"', '`reads` names the input "plcae"'),
        ('DaemonUse("always"', 'DaemonUse("allways"', "x-daemon.needed: "),
        ('reads = (Reads("name", ', "reads = (Gates(", "x-reads"),
    ],
)
def test_a_fact_about_an_input_that_is_not_there_is_a_mistake(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "plugin.py").write_text((HEAD + SCANNER + RUN).replace(old, new))
    with pytest.raises(FolderError, match=message):
        write(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('constraints = (RequiredIf("user", "plcae", "daemon"),)', '`constraints` names the input "plcae"'),
        ('constraints = (OnlyWith("usr", "place", "daemon"),)', '`constraints` names the input "usr"'),
        ('constraints = (MutuallyExclusive("user", "wrod"),)', '`constraints` names the input "wrod"'),
        ('size: int = Input("big", description="Its size.")', 'the default of `size`: "big": '),
    ],
)
def test_a_mistake_in_the_model_is_told_before_a_job_has_it(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "plugin.py").write_text(f"{HEAD}    {line}\n{SCANNER}{RUN}")
    with pytest.raises(FolderError, match=message):
        write(tmp_path)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ("x-publishes: {image: name, tgas: a}", "x-publishes.tgas"),
        ("x-publishes: {image: nmae}", 'names the input "nmae"'),
        ("x-reads: {image: name}", "x-reads"),
        ("x-gates: {when: {name: true}}", "x-gates.when.name"),
        ("x-daemon: {needed: often}", "x-daemon.needed"),
    ],
)
def test_a_fact_that_is_not_understood_is_a_mistake(tmp_path: Path, fact: str, message: str) -> None:
    (tmp_path / "plugin.yaml").write_text(f"name: peek\ninputs: {{name: {{required: true}}}}\n{fact}\n")
    with pytest.raises(FolderError, match=message):
        Catalog.load([tmp_path])


def test_every_rule_about_images_is_tried_here() -> None:
    assert {rule for rule in RULES if rule.startswith("GP4")} <= set(BREAKS)


@pytest.mark.parametrize("room", ["lint", "manifest", "planning", "pipeline"])
def test_no_code_names_one_of_our_plugins(room: str) -> None:
    ours = {folder.name for folder in bundled()}
    named = []
    for path in sorted((ROOT / "sdk/gocdnext_sdk/host" / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        named += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and id(node) not in prose and node.value in ours
        ]
    assert len(ours) == 5
    assert not named


def test_a_manifest_without_facts_says_nothing_of_what_its_tool_reads(tmp_path: Path) -> None:
    (tmp_path / "flyway").mkdir()
    (tmp_path / "flyway" / "plugin.yaml").write_text(
        "name: flyway\ninputs: {command: {description: What to do}}\n"
    )
    job = "{stage: s, uses: x/flyway@v1, secrets: [FLYWAY_URL], with: {command: migrate}}"
    text = f"stages: [s]\njobs: {{m: {job}}}\n"
    assert lint_text(text, "ci.yaml", Catalog.load([tmp_path])) == []
