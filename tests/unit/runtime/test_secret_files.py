"""A secret does not print, and what a tool needs of it is gone when the job is."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.secret import Secret

VALUE = "correct horse battery staple"


@pytest.fixture(params=["memory", "refused", "absent"])
def files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SecretFiles:
    """Secret files where the kernel has memfd, where a sandbox refuses it, and where there is none."""
    if request.param == "refused":

        def refuse(name: str, flags: int = 0) -> int:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "memfd_create", refuse)
    elif request.param == "absent":
        monkeypatch.delattr(os, "memfd_create")
    return SecretFiles()


@pytest.fixture
def real_files(monkeypatch: pytest.MonkeyPatch) -> SecretFiles:
    monkeypatch.delattr(os, "memfd_create")
    return SecretFiles()


def read_in_a_child(path: str, files: SecretFiles) -> str:
    """Read as a tool would; it inherits what the SDK hands on, and nothing else."""
    return subprocess.run(
        ["cat", path], pass_fds=files.named_in([path]), capture_output=True, check=True, text=True
    ).stdout


class TestSecret:
    @pytest.mark.parametrize(
        "show",
        [str, repr, "{}".format, "{!r}".format, "{0!s:>5}".format, lambda s: f"{s}", lambda s: repr([s])],
    )
    def test_it_never_prints(self, show) -> None:
        assert VALUE not in show(Secret(VALUE))

    def test_it_shows_nothing_in_a_model_that_holds_it(self) -> None:
        class Model(BaseModel):
            token: Secret
            number: int

        assert VALUE not in repr(Model(token=Secret(VALUE), number=1))
        with pytest.raises(ValidationError) as caught:
            Model(token=Secret(VALUE), number="many")  # type: ignore[arg-type]
        assert VALUE not in f"{caught.value!s} {caught.value!r} {caught.value.errors()!r}"

    def test_it_cannot_be_written_by_accident(self) -> None:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(Secret(VALUE))
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.deepcopy(Secret(VALUE))

    def test_its_value_is_there_for_who_asks(self) -> None:
        assert Secret(VALUE).reveal() == VALUE
        assert Secret(VALUE) == Secret(VALUE)
        assert Secret(VALUE) != Secret("other")
        assert Secret(VALUE) != VALUE
        assert not Secret("")


class TestFiles:
    @pytest.mark.parametrize("content", [VALUE, VALUE.encode(), Secret(VALUE)])
    def test_a_tool_reads_the_content_as_often_as_it_likes(self, files: SecretFiles, content) -> None:
        with files:
            path = files.file(content, "cosign.key")
            assert read_in_a_child(path, files) == VALUE
            assert read_in_a_child(path, files) == VALUE

    def test_bytes_that_are_not_utf8_arrive_as_they_are(self, files: SecretFiles) -> None:
        with files:
            path = files.file(b"\xff\xfe".decode(errors="surrogateescape"))
            assert Path(path).read_bytes() == b"\xff\xfe"

    def test_several_files_of_one_name_stay_apart(self, files: SecretFiles) -> None:
        with files:
            first, second = files.file("one", "key"), files.file("two", "key")
            assert (read_in_a_child(first, files), read_in_a_child(second, files)) == ("one", "two")

    def test_a_folder_holds_the_file_under_its_name(self, files: SecretFiles) -> None:
        with files:
            folder = files.named("config.json", '{"auths": {}}')
            assert [path.name for path in folder.iterdir()] == ["config.json"]
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert read_in_a_child(str(folder / "config.json"), files) == '{"auths": {}}'
        assert not folder.exists()
        assert not folder.parent.exists()

    def test_afterwards_nothing_is_left(self, files: SecretFiles) -> None:
        with files:
            path, folder = files.file(VALUE), files.directory()
            fds = files.named_in([path])
        assert not folder.exists()
        assert files.named_in([path]) == ()
        assert not Path(path).exists()
        for fd in fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)

    def test_after_an_exception_nothing_is_left_either(self, files: SecretFiles) -> None:
        folder = files.directory()
        files.file(VALUE)
        with pytest.raises(ZeroDivisionError), files:
            raise ZeroDivisionError
        assert not folder.exists()

    def test_a_signal_while_the_folder_is_made_leaves_nothing(
        self, real_files: SecretFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The folder's removal is known before it is there."""
        made: list[Path] = []
        mkdir = Path.mkdir

        def interrupted(path: Path, mode: int = 0o777) -> None:
            mkdir(path, mode)
            made.append(path)
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "mkdir", interrupted)
        with pytest.raises(KeyboardInterrupt), real_files:
            real_files.directory()
        assert made
        assert not made[0].exists()

    def test_wiping_twice_does_no_harm(self, files: SecretFiles) -> None:
        files.file(VALUE)
        files.wipe()
        files.wipe()

    def test_in_memory_there_is_no_file_system_to_leave_anything_on(self) -> None:
        with SecretFiles() as files:
            assert files.file(VALUE).startswith("/proc/self/fd/")
            assert "memfd:" in str(Path(files.file(VALUE)).readlink())

    def test_only_tools_that_are_given_it_inherit_the_memory(self) -> None:
        with SecretFiles() as files:
            path = files.file(VALUE)
            for careless in ({}, {"close_fds": False}):
                stranger = subprocess.run(["cat", path], capture_output=True, check=False, **careless)
                assert stranger.returncode != 0
                assert stranger.stdout == b""

    def test_of_what_is_in_memory_nothing_outlives_a_killed_job(self) -> None:
        code = (
            "from gocdnext_sdk.runtime.secret_files import SecretFiles;"
            "from gocdnext_sdk.secret import Secret;"
            f"files = SecretFiles(); value = Secret({VALUE!r}); root = files.directory();"
            "files.file(value, 'key'); files.named('config.json', value);"
            "files.stored(root / 'real', 'config.json', value); print(root, flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            root = Path(process.stdout.readline().strip())
            process.kill()
        try:
            left = [each for each in root.rglob("*") if each.is_file() and VALUE in each.read_text()]
            # The one that had to be a real file, as docs/security.md says of kaniko's logins.
            assert left == [root / "real" / "config.json"]
            assert [stat.S_IMODE(each.stat().st_mode) for each in (root, *left)] == [0o700, 0o600]
        finally:
            shutil.rmtree(root)

    def test_a_real_file_is_private(self, real_files: SecretFiles) -> None:
        with real_files as files:
            path = Path(files.file(VALUE))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_real_file_is_overwritten_before_it_goes(self, real_files: SecretFiles) -> None:
        with real_files as files:
            path = Path(files.file(VALUE))
            twin = path.parent.parent / f"{path.parent.name}-twin"
            os.link(path, twin)
        try:
            assert twin.read_bytes() == b"\0" * len(VALUE)
        finally:
            twin.unlink()

    def test_a_file_the_tool_has_removed_is_no_problem(self, real_files: SecretFiles) -> None:
        with real_files as files:
            Path(files.file(VALUE)).unlink()
            rest = Path(files.file(VALUE))
        assert not rest.exists()


def test_no_room_for_a_secret_says_what_the_job_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a /dev/shm of 64 kB where memfd is forbidden."""
    import resource

    from gocdnext_sdk.errors import ToolError

    monkeypatch.delattr("os.memfd_create")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with SecretFiles() as files, pytest.raises(ToolError, match=r"larger /dev/shm"):
            files.file("s" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
