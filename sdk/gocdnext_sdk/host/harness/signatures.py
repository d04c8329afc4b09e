"""Whether an image is signed, asked on the user's machine instead of in a job."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from gocdnext_sdk.errors import Findings, ToolError
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.runner import ProcessRunner
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.tools.cosign.policy import Policy
from gocdnext_sdk.tools.cosign.verification import verify

_ERROR = re.compile(r"\bError: |error during command execution: ")
"""What cosign writes before the reason of a failure, once each."""


def unsigned(cosign: str, policy: Policy, subject: Reference) -> str:
    """Return why an image does not count as signed, in a line; nothing if it does.

    Args:
        cosign: the program. It sees the environment of this process.
        policy: who must have signed.
        subject: the image, with its digest.

    Raises:
        ToolError: that could not be found out. It has cosign's own words.
        Cancelled: a signal came meanwhile.
    """
    log, said = _stream(), _stream()  # a job's log gets both; here they are the reason
    with SecretFiles() as files, Signals() as signals:
        tool = Tool(cosign, os.environ, ProcessRunner(Masker(), files, signals, Path.cwd()))
        try:
            with redirect_stdout(log), redirect_stderr(said), signals.cancelling():
                verify(tool, policy, subject)
        except Findings as error:
            return _ERROR.split(_words(said))[-1] or error.what
        except ToolError as error:
            raise ToolError(f"cosign could not verify {subject}: {_words(said) or error.what}") from error
    return ""


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)


def _words(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return " ".join(stream.read().split())
