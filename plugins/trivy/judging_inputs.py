"""The inputs that say what counts, and what is let pass."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from gocdnext_sdk import Boolean, Input, Invalid, PluginInputs, Words, WorkspacePath, one_of, quoted

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")


def _days(text: object) -> object:
    """Read a number of days, "7" or "7d"."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(r"[0-9]{1,5}d?", text.strip()):
        raise Invalid(f"{quoted(text)} is not a number of days", 'write it as "7" or "7d"')
    return int(text.strip().removesuffix("d"))


Days = Annotated[int, BeforeValidator(_days), WithJsonSchema({"type": "string"})]


class JudgingInputs(PluginInputs):
    """`severity`, `exit-code`, and what is accepted."""

    severity: Annotated[Words, one_of(*SEVERITIES)] = Input(
        "HIGH,CRITICAL", description="Severities that count: one finding of these fails the job."
    )
    report_severity: Annotated[Words, one_of(*SEVERITIES)] = Input(
        "", description="Severities that the report shows beside those that count."
    )
    exit_code: int = Input(
        "1",
        description='Exit code when something of `severity` is found. "0": advisory, the job goes on.',
        ge=0,
        le=255,
    )
    ignore_unfixed: Boolean = Input("true", description="Leave out vulnerabilities that have no fix yet.")
    baseline: str | None = Input(
        None,
        description="What need not be found again, since only what is new counts: an image, a digest in the "
        "repository of `target`, or the report of an earlier scan, a .json file.",
    )
    grace: Days = Input(
        "0",
        description='Days after its publication in which a vulnerability does not count, such as "7".',
    )
    ignorefile: WorkspacePath | None = Input(
        None,
        description="File of accepted findings, in lines or YAML. If empty: `.trivyignore`, where there is "
        "one. An entry whose date is over fails the job.",
    )
    ignorefile_check: Literal["report", "strict"] = Input(
        "report",
        description="Of entries of the ignore file that match nothing any more, have no reason or no expiry "
        "date, `report` warns, and `strict` fails the job.",
    )
