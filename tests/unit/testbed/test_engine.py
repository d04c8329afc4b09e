"""Which engine the set-up uses, and whether that engine pulls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testbed import cache, engine
from testbed.cache import SetupError, cache_dir
from testbed.pins import ROOT, pins
from tests.unit.testbed.docker_api import Engine

OFFLINE = (500, 'Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io on 10.0.0.1:53: no such host')
SLOW = 'Get "https://ghcr.io/v2/": net/http: request canceled (Client.Timeout exceeded)'


def ask(daemon: Engine) -> bool:
    engine.can_pull.cache_clear()
    return engine.can_pull(daemon.host)


def test_every_registry_of_the_pins_is_asked(daemon: Engine) -> None:
    assert ask(daemon)
    assert sorted(daemon.asked) == sorted({pin.image.split("/")[0] for pin in pins().values() if pin.image})


def test_one_registry_out_of_reach_is_said_and_nothing_is_pulled(
    daemon: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.refusals["ghcr.io"] = OFFLINE
    assert not ask(daemon)
    said = capsys.readouterr().err
    assert "ghcr.io is out of reach" in said
    assert "docker.io is out of reach" not in said
    assert engine.PULL_VARIABLE in said


def test_the_answer_is_kept(daemon: Engine) -> None:
    daemon.refusals["ghcr.io"] = OFFLINE
    ask(daemon)
    before = list(daemon.asked)
    assert not ask(daemon)
    assert daemon.asked == before


@pytest.mark.parametrize("said", [SLOW, "toomanyrequests: slow down", "received unexpected HTTP status: 503"])
def test_what_may_pass_is_not_kept(daemon: Engine, said: str) -> None:
    daemon.refusals["docker.io"] = (500, said)
    assert not ask(daemon)
    daemon.refusals.clear()
    assert ask(daemon)


@pytest.mark.parametrize(("told", "expected"), [("yes", True), ("no", False)])
def test_a_variable_overrules_what_would_be_found(
    daemon: Engine, told: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(engine.PULL_VARIABLE, told)
    assert ask(daemon) is expected
    assert not daemon.asked


def test_the_variable_is_yes_or_no(daemon: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(engine.PULL_VARIABLE, "maybe")
    with pytest.raises(SetupError, match="yes or no"):
        ask(daemon)


def test_a_chosen_engine_that_does_not_answer_is_never_replaced(
    daemon: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    for act in (engine.find, engine.up):
        with pytest.raises(SetupError, match=r"DOCKER_HOST names tcp://127\.0\.0\.1:1"):
            act()


def test_a_chosen_context_that_does_not_answer_is_never_replaced(
    daemon: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from docker.context.config import get_context_id

    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    meta = tmp_path / "contexts" / "meta" / get_context_id("far")
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": "tcp://127.0.0.1:1", "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "far", "Metadata": {}, "Endpoints": endpoint}))
    with pytest.raises(SetupError, match="context far names"):
        engine.find()
    monkeypatch.setenv("DOCKER_CONTEXT", "none-such")
    with pytest.raises(SetupError, match="none-such"):
        engine.find()


def test_our_own_engine_is_started_where_its_address_is_chosen(
    daemon: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`env` exports that address, and the engine may have ended since."""
    monkeypatch.setenv("DOCKER_HOST", engine.private_host())
    assert engine.find() is None


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refusal_of_the_engine_is_one_line(daemon: Engine, status: int) -> None:
    """As `python -m testbed` ends with it."""
    daemon.refusals["ghcr.io"] = (status, "toomanyrequests: You have reached your\npull rate limit.")
    environ = {**os.environ, engine.PULL_VARIABLE: "yes"}
    command = [sys.executable, "-m", "testbed", "tools", "regctl"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("setup: ")
    assert "reached your pull rate limit" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list((cache_dir() / "tools").glob("*regctl*"))


def test_an_old_answer_is_asked_again(daemon: Engine) -> None:
    daemon.refusals["ghcr.io"] = OFFLINE
    ask(daemon)
    (answer,) = cache_dir().glob("can-pull-*")
    long_ago = time.time() - engine.PULL_ANSWER_KEPT_SECONDS - 1
    os.utime(answer, (long_ago, long_ago))
    daemon.refusals.clear()
    assert ask(daemon)


@pytest.mark.parametrize("private", [False, True])
def test_a_full_disk_is_said_first_and_only_a_private_engine_forgets_for_it(
    daemon: Engine, monkeypatch: pytest.MonkeyPatch, *, private: bool
) -> None:
    engine.make_room(daemon.host)  # there is room
    monkeypatch.setattr(cache, "ROOM", 10**18)
    if private:
        monkeypatch.setattr(engine, "private_host", lambda: daemon.host)
    with pytest.raises(
        SetupError, match=r"the disk of .* has [\d.]+ GB left, and needs 1000000000 GB: free some"
    ):
        engine.make_room(daemon.host)
    assert daemon.prunes == private
