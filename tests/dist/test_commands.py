"""The installed command does what README and documentation show, without the checkout."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from tests.dist.installed import Ended, Environment

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorial.md"  # tests/e2e/test_tutorial.py does the whole of it
PAGES = sorted(
    {
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("plugins/*/README.md"),
    }
    - {TUTORIAL}
)
# The names of a builder, of one in pods, of a run, and of a folder in the job's private one.
_UNIQUE = re.compile(
    r"gocdnext-\d{8}t\d{6}-[\w.]+-\w{8}|gocdnext-[0-9a-f]{8}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?<=<scratch>/)gocdnext-\w{8}"
)
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ENGINELESS = {"lint", "manifest", "new", "plan", "plugins", "schema"}
"""The subcommands that need no container engine."""


def scripts() -> dict[str, str]:
    """Return the blocks of shell lines whose commands need no engine, by page and number."""
    return {
        f"{page.parent.name}/{page.name}-{number}": block
        for page in PAGES
        for number, block in enumerate(_SHELL.findall(page.read_text()), start=1)
        if (used := re.findall(r"^gocdnext-plugin (\w+)", block, re.MULTILINE)) and set(used) <= ENGINELESS
    }


def with_engine() -> list[str]:
    """Return every other command in the pages' blocks and tables."""
    found: set[str] = set()
    for page in PAGES:
        blocks = "\n".join(_SHELL.findall(page.read_text())).replace("\\\n", " ")
        quoted = re.findall(r"`(gocdnext-plugin \w+ [^`-][^`\n]*)`", page.read_text())
        lines = [*blocks.splitlines(), *(line for line in quoted if "NAME" not in line)]
        found |= {line.split("  #")[0].strip() for line in lines if line.startswith("gocdnext-plugin ")}
    return sorted(line for line in found if line.split()[1] not in ENGINELESS)


SCRIPTS = scripts()
WITH_ENGINE = with_engine()


def job_as_pipeline(body: str) -> str:
    """Return a pipeline of one job, as examples/README.md says for the examples of a plugin."""
    needed = {job for jobs in re.findall(r"^needs: \[(.+)\]", body, re.MULTILINE) for job in jobs.split(", ")}
    kept = {each["from_job"]: each["paths"] for each in yaml.safe_load(body).get("needs_artifacts", ())}
    before = "".join(
        f"  {job}: {{stage: before, image: alpine, script: [make], outputs: "
        f"{{reference: REFERENCE, digest: DIGEST}}, artifacts: {{paths: {kept.get(job, [])}}}}}\n"
        for job in sorted(needed)
    )
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    stages = "before, try" if before else "try"  # a stage without jobs is a mistake
    return f"stages: [{stages}]\njobs:\n{before}  try:\n    stage: try\n{indented}"


def named(ended: Ended) -> tuple[int, str, str]:
    """Return how a command ended, without the names that each run makes for itself."""
    return ended.exit_code, _UNIQUE.sub("UNIQUE", ended.out), ended.err


@pytest.fixture
def pipelines(project: Path) -> list[str]:
    """Every pipeline of `examples/`, and every example of a plugin as one."""
    whole = [*project.glob("examples/*/.gocdnext/*.yaml"), *project.glob("examples/recipe/*.yaml")]
    parts = sorted(project.glob("plugins/*/examples/*.yaml"))
    for path in parts:
        path.write_text(job_as_pipeline(path.read_text()))
    assert len(whole) > 8
    assert len(parts) > 30
    return [str(path.relative_to(project)) for path in [*sorted(whole), *parts]]


@pytest.fixture(scope="module")
def subcommands(author: Environment, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    done = author.command("--help", cwd=tmp_path_factory.mktemp("help"))
    return re.findall(r"^  ([a-z]+)  ", done.out.partition("Commands:")[2], re.MULTILINE)


def test_every_command_has_its_help(author: Environment, subcommands: list[str], tmp_path: Path) -> None:
    assert {*ENGINELESS, "run", "exec", "sigstore"} <= set(subcommands)
    for name, ended in zip(
        subcommands, author.commands(*([name, "--help"] for name in subcommands), cwd=tmp_path), strict=True
    ):
        assert ended.exit_code == 0, ended.err
        assert ended.out.startswith(f"Usage: gocdnext-plugin {name}")


def test_it_tells_its_version(author: Environment, tmp_path: Path, wheel: Path) -> None:
    done = author.command("--version", cwd=tmp_path)
    assert done.out == f"gocdnext-plugin {wheel.name.split('-')[1]}\n"


@pytest.mark.parametrize("subcommand", ["plan", "lint"])
def test_every_example_is_taken_as_in_the_checkout(
    author: Environment, checkout: Environment, project: Path, pipelines: list[str], subcommand: str
) -> None:
    argvs = [[subcommand, path] for path in pipelines]
    installed, here = (each.commands(*argvs, cwd=project) for each in (author, checkout))
    for path, ended, expected in zip(pipelines, installed, here, strict=True):
        assert named(ended) == named(expected), path
        assert ended.exit_code in {0, 2}, (path, ended)
        assert "unexpected" not in ended.err, (path, ended)
        assert "cannot be imported" not in ended.out + ended.err, (path, ended)


def test_a_kaniko_job_is_planned_with_the_module_beside_its_plugin(
    author: Environment, project: Path
) -> None:
    done = author.command("plan", "examples/kaniko/.gocdnext/release.yaml", "--branch", "main", cwd=project)
    assert done.exit_code == 0, done.err
    assert "run      executor --context=dir:///workspace" in done.out


def test_schemas_are_those_of_the_bundled_plugins(author: Environment, project: Path) -> None:
    plugins = sorted(path.parent.name for path in ROOT.glob("plugins/*/plugin.yaml"))
    whole, *each = author.commands(["schema"], *(["schema", name] for name in plugins), cwd=project)
    assert json.loads(whole.out)["$schema"]
    for name, ended in zip(plugins, each, strict=True):
        shipped = json.loads((ROOT / "plugins" / name / "schema.json").read_text())
        assert json.loads(ended.out)["properties"].keys() == shipped["properties"].keys()


def test_the_bundled_plugins_are_what_they_generate(author: Environment, project: Path) -> None:
    bundled = _bundled(author, project)
    assert len(bundled) == len(list(ROOT.glob("plugins/*/plugin.py")))
    done = author.command("manifest", "--check", *map(str, bundled), cwd=project)
    assert (done.exit_code, done.out) == (0, ""), done


def test_a_bundled_plugin_says_what_is_wrong_before_it_needs_its_tool(
    author: Environment, project: Path
) -> None:
    for folder in _bundled(author, project)[:2]:
        done = author.command("exec", str(folder), "--with", "no-such-input=1", cwd=project)
        assert done.exit_code == 2, done
        assert "with.no-such-input" in done.err + done.out
        assert "Traceback" not in done.err + done.out


def test_a_new_plugin_passes_its_own_tests_at_once(author: Environment, tmp_path: Path) -> None:
    new, check, lint, plan = (
        ["new", "image-labels"],
        ["manifest", "--check", "image-labels"],
        ["lint", "--strict", "image-labels"],
        ["plan", "image-labels"],
    )
    for ended in author.commands(new, check, lint, plan, cwd=tmp_path):
        assert ended.exit_code == 0, ended
    folder = tmp_path / "image-labels"
    done = author.shell("pytest -q --ignore tests/test_image.py", cwd=folder)  # that one needs an engine
    assert done.exit_code == 0, done.out
    assert re.search(r"^\d+ passed", done.out, re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_the_documentation_shows_works(author: Environment, project: Path, script: str) -> None:
    lines = SCRIPTS[script].replace("/tmp/", f"{project}/")
    done = author.shell(f"set -euo pipefail\n{lines}", cwd=project)
    assert "Traceback" not in done.err
    # The README's second command shows what is said about mistakes.
    assert done.exit_code == (2 if "platfroms" in lines else 0), done


@pytest.mark.parametrize("line", WITH_ENGINE)
def test_what_needs_an_engine_has_the_options_that_the_documentation_gives_it(
    author: Environment, project: Path, line: str
) -> None:
    (done,) = author.commands([*shlex.split(line)[1:], "--help"], cwd=project)
    assert done.exit_code == 0, done
    assert done.out.startswith("Usage:")


def test_the_documentation_shows_commands() -> None:
    assert len(SCRIPTS) >= 3
    assert len(WITH_ENGINE) >= 5


def _bundled(author: Environment, cwd: Path) -> list[Path]:
    program = "from gocdnext_sdk.host.manifest.catalog import bundled; print(*bundled(), sep='\\n')"
    done: Ended = author.python("-c", program, cwd=cwd)
    found = [Path(line) for line in done.out.splitlines()]
    assert all(path.is_relative_to(author.bin.parent) for path in found)
    return found
