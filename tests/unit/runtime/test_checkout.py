"""What a checkout says of itself, held against git, in every form in which git keeps it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gocdnext_sdk.runtime.checkout import Checkout


def git(folder: Path, *arguments: str, at: int = 1_700_000_000) -> str:
    environ = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_DATE": f"{at - 99} +0000",
        "GIT_COMMITTER_DATE": f"{at} +0530",
        **{f"GIT_{who}_{what}": "a > b@c.d" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", "-C", folder, *arguments], env=environ, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for number in range(40):  # alike, so that a pack has deltas of commits too
        message = f"{number}\n\n" + "the same words, again and again\n" * 40
        git(folder, "commit", "--quiet", "--allow-empty", "--message", message, at=1_700_000_000 + number)
    return folder


def commits(folder: Path) -> list[str]:
    return git(folder, "rev-list", "--reverse", "HEAD").splitlines()


def dates(folder: Path, names: list[str]) -> list[datetime | None]:
    checkout = Checkout(folder)
    return [checkout.committed(name) for name in names]


EXPECTED = [datetime.fromtimestamp(1_700_000_000 + number, UTC) for number in range(40)]


def test_loose_objects_and_references(repository: Path) -> None:
    names = commits(repository)
    assert dates(repository, names) == EXPECTED
    assert Checkout(repository).commit == names[-1]


def test_packed_objects_and_references(repository: Path) -> None:
    names = commits(repository)
    git(repository, "pack-refs", "--all")
    git(repository, "repack", "-adfq", "--depth=50", "--window=50")
    pack = next((repository / ".git/objects/pack").glob("*.idx"))
    assert "chain length" in git(repository, "verify-pack", "--verbose", str(pack))  # deltas are there
    assert not (repository / ".git/refs/heads/main").exists()
    assert dates(repository, names) == EXPECTED
    assert Checkout(repository).commit == names[-1]


def test_deltas_that_name_their_base(repository: Path) -> None:
    names = commits(repository)
    git(repository, "-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq", "--depth=50", "--window=50")
    assert dates(repository, names) == EXPECTED


@pytest.mark.parametrize("depth", [[], ["--depth=1"], ["--filter=blob:none"]])
def test_a_clone_knows_the_default_branch_too(repository: Path, tmp_path: Path, depth: list[str]) -> None:
    clone = tmp_path / "clone"
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", *depth, f"file://{repository}", str(clone))
    git(clone, "checkout", "--quiet", "--detach")
    found = Checkout(clone)
    assert found.commit == commits(repository)[-1]
    assert found.committed(found.commit) == EXPECTED[-1]
    assert found.default_branch == "main"
    assert found.remote == f"file://{repository}"


def test_a_worktree_and_borrowed_objects(repository: Path, tmp_path: Path) -> None:
    names = commits(repository)
    git(repository, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"), names[3])
    assert Checkout(tmp_path / "tree").commit == names[3]
    assert Checkout(tmp_path / "tree").committed(names[3]) == EXPECTED[3]
    git(tmp_path, "clone", "--quiet", "--shared", str(repository), str(tmp_path / "shared"))
    assert dates(tmp_path / "shared", names) == EXPECTED


def test_sha_256(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "x")
    name = git(tmp_path, "rev-parse", "HEAD")
    assert dates(tmp_path, [name]) == EXPECTED[:1]
    git(tmp_path, "repack", "-adq")
    assert Checkout(tmp_path).commit == name
    assert dates(tmp_path, [name]) == EXPECTED[:1]


def test_what_is_no_checkout_says_nothing(tmp_path: Path) -> None:
    found = Checkout(tmp_path)
    assert (found.commit, found.default_branch, found.remote) == (None, None, None)
    assert found.committed("0" * 40) is None


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff" * 3000])
def test_damage_is_no_error(repository: Path, damage: bytes) -> None:
    names = commits(repository)
    git(repository, "repack", "-adq")
    for path in (repository / ".git/objects/pack").iterdir():
        path.chmod(0o600)
        path.write_bytes((path.read_bytes()[:1100] + damage) if damage else b"")
    assert dates(repository, names)[:3] in ([None] * 3, EXPECTED[:3])
    (repository / ".git/HEAD").write_bytes(damage)
    assert Checkout(repository).commit is None


def test_a_reference_does_not_lead_out(repository: Path) -> None:
    (repository / "outside").write_text("a" * 40)
    (repository / ".git/HEAD").write_text("ref: refs/../../outside")
    assert Checkout(repository).commit is None


def test_a_reference_to_itself_ends(repository: Path) -> None:
    (repository / ".git/refs/heads/main").write_text("ref: refs/heads/main")
    assert Checkout(repository).commit is None
