"""A tool as a file: out of its image, and nothing else under its name."""

from __future__ import annotations

import os
import sys
import tarfile

import pytest
from testbed import engine, environment, tools
from testbed.cache import SetupError
from testbed.pins import pins
from tests.unit.testbed.docker_api import Engine

PATH = pins()["regctl"].path


@pytest.fixture(autouse=True)
def _pulls(daemon: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.PULL_VARIABLE, "yes")


def test_the_file_is_copied_out_of_the_image_and_may_run(daemon: Engine) -> None:
    daemon.put(PATH, content=b"program")
    (folder,) = tools.get("regctl")
    assert (folder / "regctl").read_bytes() == b"program"
    assert os.access(folder / "regctl", os.X_OK)


@pytest.mark.parametrize(
    ("kind", "said"), [(tarfile.SYMTYPE, "a link"), (tarfile.DIRTYPE, "a folder"), (tarfile.REGTYPE, "empty")]
)
def test_what_is_no_program_is_an_error_and_not_kept(daemon: Engine, kind: bytes, said: str) -> None:
    daemon.put(PATH, kind, link="elsewhere")
    with pytest.raises(SetupError, match=f"{PATH} is {said} in {pins()['regctl'].image}"):
        tools.get("regctl")
    assert not tools.folder("regctl").exists()


def test_what_is_missing_in_the_image_is_an_error(daemon: Engine) -> None:
    with pytest.raises(SetupError, match=f"{PATH} is missing in"):
        tools.get("regctl")


def test_pulled_and_made_tools_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made while nothing could be pulled is not what the image has, nor always its version."""
    names = ("regctl", "kaniko", "trivy")
    pulled = {name: tools.folder(name) for name in names}
    assert all(f"{name}-{pins()[name].version}-pulled-" in pulled[name].name for name in names)
    monkeypatch.setenv(engine.PULL_VARIABLE, "no")
    engine.can_pull.cache_clear()
    assert not set(pulled.values()) & {tools.folder(name) for name in names}


def test_a_host_that_pulls_needs_no_go_for_the_demo_and_the_images(without_go: None) -> None:
    assert "crane" not in (*environment.TOOLS["demo"], *environment.TOOLS["images"])
    tools.check(*environment.TOOLS["images"])


def test_what_only_go_makes_is_said_before_anything_is_made(without_go: None, daemon: Engine) -> None:
    with pytest.raises(SetupError, match=r"Go 1\.26") as told:
        environment.setup("test")
    assert "crane" in str(told.value)
    assert "regctl" not in str(told.value)
    assert not (tools.folder("regctl")).exists()


def test_an_old_go_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_go_version", lambda: (1, 25))
    with pytest.raises(SetupError, match=r"Go 1\.26"):
        tools.check("crane")


def test_another_system_than_linux_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SetupError, match="darwin") as told:
        environment.setup("test")
    assert "\n" not in str(told.value)


@pytest.fixture
def buildx(daemon: Engine) -> str:
    """The folder of the one tool that there is by then."""
    daemon.put(pins()["buildx"].path, content=b"program")
    return str(tools.get("buildx")[0])


def test_the_environment_puts_its_folders_in_front_once(buildx: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = environment.environment()["PATH"]
    assert first.startswith(f"{buildx}{os.pathsep}")
    monkeypatch.setenv("PATH", first)
    assert environment.environment()["PATH"] == first


def test_tools_of_an_earlier_set_up_leave_the_path(buildx: str, monkeypatch: pytest.MonkeyPatch) -> None:
    older = f"{buildx}-of-another-time"
    monkeypatch.setenv("PATH", f"{older}{os.pathsep}/usr/bin")
    assert environment.environment()["PATH"].split(os.pathsep) == [buildx, "/usr/bin"]
