"""`job.git`, held against git, loose and packed, with merges, tags and a shallow clone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.runtime.test_checkout import git

from gocdnext_sdk import GitError
from gocdnext_sdk.runtime.git import Git

START = 1_700_000_000


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two branches that were merged, tags of both kinds, and a branch that has gone on."""
    folder = tmp_path / "app"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    clock = iter(range(START, START + 1000))

    def commit(message: str, **files: str) -> None:
        for name, text in files.items():
            write(folder, name.replace("__", "/"), text)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", message, at=next(clock))

    commit("Begin\n\nwith a body\n", a="1", src__deep__b="1", src__c="1", gone__x="1")
    git(folder, "tag", "v1.0.0")
    commit("Go on", a="2")
    git(folder, "switch", "--quiet", "--create", "feature")
    commit("Feature", src__deep__b="2")
    commit("Feature again", ünïcode="1")
    git(folder, "switch", "--quiet", "main")
    commit("Meanwhile", a="3")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge feature", "feature", at=next(clock))
    git(folder, "tag", "--annotate", "-m", "second", "v1.1.0", at=next(clock))
    git(folder, "tag", "--annotate", "-m", "of a tag", "again", "v1.1.0", at=next(clock))
    git(folder, "tag", "a-tree", "HEAD^{tree}")
    git(folder, "rm", "-rq", "gone")
    write(folder, "gone", "a file where a directory was")
    commit("Turn around", src__c="2")
    git(folder, "switch", "--quiet", "--create", "other", "v1.0.0")
    commit("Other", other="1")
    git(folder, "switch", "--quiet", "main")
    return folder


def packed(folder: Path) -> Path:
    git(folder, "pack-refs", "--all")
    git(folder, "repack", "-adfq", "--depth=50", "--window=50")
    return folder


@pytest.fixture(params=["loose", "packed"])
def whole(request: pytest.FixtureRequest, repository: Path) -> Path:
    return packed(repository) if request.param == "packed" else repository


def paths(folder: Path, *arguments: str) -> tuple[str, ...]:
    return tuple(
        sorted(filter(None, git(folder, "diff", "--name-only", "--no-renames", "-z", *arguments).split("\0")))
    )


def test_a_commit_is_what_git_says(whole: Path) -> None:
    for name in ("HEAD", "main", "feature", "v1.0.0", "v1.1.0", "again", "refs/heads/other"):
        commit = Git(whole).commit(name)
        form = "%H%n%T%n%P%n%an%n%ct%n%s%n%B"
        told = git(whole, "log", "-1", f"--format={form}", f"{name}^{{commit}}").split("\n", 6)
        assert [commit.id, commit.tree, " ".join(commit.parents), commit.author] == told[:4]
        assert str(int(commit.committed.timestamp())) == told[4]
        assert (commit.subject, commit.message) == (told[5], told[6].strip())


def test_tags_are_the_commits_that_they_name(whole: Path) -> None:
    names = ("v1.0.0", "v1.1.0", "again")
    assert Git(whole).tags == {name: git(whole, "rev-parse", f"{name}^{{commit}}") for name in names}


@pytest.mark.parametrize(
    ("until", "since"),
    [("HEAD", None), ("HEAD", "v1.0.0"), ("feature", "main"), ("main", "other"), ("v1.1.0", "again")],
)
def test_a_history_is_gits(whole: Path, until: str, since: str | None) -> None:
    told = git(whole, "rev-list", f"{since}..{until}" if since else until).splitlines()
    assert [commit.id for commit in Git(whole).history(until, since)] == told


@pytest.mark.parametrize(
    ("one", "other"), [("main", "other"), ("feature", "main"), ("other", "feature"), ("main", "main")]
)
def test_a_merge_base_is_gits(whole: Path, one: str, other: str) -> None:
    base = Git(whole).merge_base(one, other)
    assert base is not None
    assert base.id == git(whole, "merge-base", one, other)


@pytest.mark.parametrize(
    ("since", "until"),
    [("v1.0.0", "HEAD"), ("v1.1.0", "HEAD"), ("HEAD", "other"), ("feature", "main"), ("main", "main")],
)
def test_changed_files_are_gits(whole: Path, since: str, until: str) -> None:
    assert Git(whole).changed(since, until) == paths(whole, since, until)


def test_a_branch_is_found_as_the_remotes_in_a_clone(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    clone = Git(tmp_path / "clone")
    assert (
        clone.commit("other").id == clone.commit("origin/other").id == git(repository, "rev-parse", "other")
    )


def test_a_shallow_checkout_is_told_and_never_taken_for_the_whole(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "2", f"file://{repository}", "clone")
    checkout = Git(tmp_path / "clone")
    assert checkout.commit().subject == "Turn around"
    assert checkout.changed(checkout.commit().parents[0]) == ("gone", "gone/x", "src/c")
    for ask in (lambda: list(checkout.history()), lambda: checkout.merge_base("HEAD", "main")):
        with pytest.raises(GitError, match="the checkout is shallow"):
            ask()
    with pytest.raises(GitError, match="no commit, branch or tag"):
        checkout.changed("v1.0.0")
    with pytest.raises(GitError, match="does not have"):
        checkout.commit(git(repository, "rev-parse", "v1.0.0"))


@pytest.mark.parametrize("name", ["nothing", "", "../../etc/passwd", "0" * 40, "refs/heads/..", "a-tree"])
def test_what_is_no_commit_is_an_error(repository: Path, name: str) -> None:
    with pytest.raises(GitError):
        Git(repository).commit(name)


def _zeros(objects: Path, name: str) -> None:
    path = objects / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(b"\0" * 9)


def test_damage_is_an_error_and_no_bug(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    _zeros(repository / ".git/objects", head)
    with pytest.raises(GitError, match="the checkout is damaged"):
        Git(repository).commit()


def test_a_directory_that_is_no_checkout_has_no_history(tmp_path: Path) -> None:
    asked: list[Callable[[], object]] = [Git(tmp_path).commit, lambda: Git(tmp_path).changed("main")]
    for ask in asked:
        with pytest.raises(GitError):
            ask()
    assert Git(tmp_path).tags == {}
    assert list(tmp_path.iterdir()) == []
