"""Approval gates. Source: upstream `server/pkg/parser/parse_job.go`, `approval_timeout.go`."""

from __future__ import annotations

import re
from typing import Final

from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Approval, Value

_MAX_LABELS: Final = 16
_MIN_SECONDS: Final = 60.0
_MAX_SECONDS: Final = 90 * 24 * 3600.0
_FOREVER: Final = frozenset({"never", "off"})
_DAYS = re.compile(r"[0-9]+(\.[0-9]+)?[dD]")

# Present at all, or present and not empty: as the server tells them.
_EXCLUDED: Final = ("settings", "artifacts", "deploy", "parallel")
_EXCLUDED_UNLESS_EMPTY: Final = (
    "script",
    "uses",
    "image",
    "needs_artifacts",
    "cache",
    "docker",
    "id_tokens",
    "cluster",
)


def read_approval(decoder: Decoder, name: str, fields: Fields) -> Approval:
    """Read the gate of a job that has `approval:`.

    Args:
        decoder: takes the problems.
        name: the job's name.
        fields: the job's decoded keys.
    """

    def error(mark: Mark, what: str, advice: str = "") -> None:
        decoder.error(mark, f"job `{name}`: {what}", advice)

    for key in _excluded(fields):
        error(fields.at(key), f"`approval:` and `{key}:` exclude each other", "use two jobs")
    entry: Fields = fields.values["approval"]
    people = entry.texts("approvers"), entry.texts("approver_groups")
    listed = sum(map(len, people))
    required = entry.get("required", 0)
    if required < 0:
        error(entry.at("required"), "approval.required must be 1 or more")
    quorum: dict[str, int] = entry.get("quorum_by_label", {})
    mark = entry.at("quorum_by_label")
    if len(quorum) > _MAX_LABELS:
        error(mark, f"{len(quorum)} labels in quorum_by_label; the limit is {_MAX_LABELS}")
    if len({label.lower() for label in quorum}) < len(quorum):
        error(mark, "quorum_by_label has a label twice, in upper and lower case")
    for label, number in quorum.items():
        if not syntax.PULL_REQUEST_LABEL.fullmatch(label.lower()):
            error(mark, f"`{label}` in quorum_by_label is not a label of letters, digits, ._-/")
        if number < 1:
            error(mark, f"quorum_by_label.{label} must be 1 or more")
    for key, number in [("required", required), *quorum.items()]:
        if 0 < listed < number:
            error(
                entry.mark,
                f"approval asks for {number} people ({key}) and lists {listed}",
                "list more people or ask for fewer",
            )
    timeout = fields.text("timeout").strip()
    if wrong := _timeout(timeout):
        error(fields.at("timeout"), f"approval timeout {timeout!r} {wrong}")
    return Approval(
        approvers=people[0],
        approver_groups=people[1],
        required=required or 1,
        quorum_by_label={label.lower(): number for label, number in quorum.items()},
        description=entry.text("description"),
        timeout=timeout,
    )


def _excluded(fields: Fields) -> list[str]:
    found: list[str] = [key for key in _EXCLUDED if key in fields.values]
    for key in _EXCLUDED_UNLESS_EMPTY:
        value = fields.values.get(key)
        if value.text if isinstance(value, Value) else value:
            found.append(key)
    if "environment" in fields.marks:
        found.append("environment")
    return found


def _timeout(text: str) -> str | None:
    if not text or text.lower() in _FOREVER:
        return None
    seconds = syntax.seconds(text)
    if seconds is None:
        hint = "has days; write hours, 168h for 7 days" if _DAYS.fullmatch(text) else ""
        return hint or "is not a duration; write it like 90m, 24h or never"
    if seconds == 0:
        return "is ambiguous; write never, or nothing for the server's default"
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        return "is not between 1m and 2160h; write never to wait for ever"
    return None
