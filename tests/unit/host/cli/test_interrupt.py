"""What asks a command to stop ends it with the signal's exit code, whatever it interrupts."""

from __future__ import annotations

import os
import signal

import pytest

from gocdnext_sdk.errors import Cancelled, DaemonError
from gocdnext_sdk.host.cli.interrupt import interruptible
from gocdnext_sdk.host.harness.session import Stop


def test_a_request_ends_what_is_being_prepared() -> None:
    with pytest.raises(Cancelled) as caught, interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 143


def test_a_request_that_a_library_takes_for_an_error_of_its_own_is_still_one() -> None:
    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Cancelled as error:
            raise ValueError("of a library") from error

    with pytest.raises(Cancelled) as caught, interruptible():
        interrupted()
    assert caught.value.exit_code == 130


def test_what_cannot_be_removed_after_a_request_is_said() -> None:
    def removed(stop: Stop) -> None:
        with stop.heard_by(lambda _: None):
            os.kill(os.getpid(), signal.SIGINT)
        raise DaemonError("a volume is left")

    with pytest.raises(DaemonError, match="is left"), interruptible() as stop:
        removed(stop)
