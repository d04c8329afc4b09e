"""Trivy's databases in its cache: how old they are, and who may renew them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .inputs import TrivyInputs

_DOWNLOADED_FOR = {"db": timedelta(hours=1), "java-db": timedelta(days=1)}
"""How long after a download Trivy asks for no newer one (aquasecurity/trivy 0.74, `isNewDB`)."""


def is_due(folder: Path) -> bool:
    """Tell whether Trivy would ask for a newer database than the one in `folder`, or for a first one."""
    metadata = _metadata(folder)
    now = datetime.now(UTC)
    next_update, downloaded = (_time(metadata.get(each)) for each in ("NextUpdate", "DownloadedAt"))
    return now >= next_update and now >= downloaded + _DOWNLOADED_FOR[folder.name]


def is_java_index_settled(inputs: TrivyInputs, cache: Path) -> bool:
    """Tell whether no scan will write the index of Java."""
    # What finds a jar without the index fails, where it may not be fetched.
    return inputs.offline or inputs.scans_insecurely or not is_due(cache / "java-db")


def database_date(cache: Path) -> str:
    """Return when the cached vulnerability database was made; empty if there is none."""
    return str(_metadata(cache / "db").get("UpdatedAt", ""))


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "metadata.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: object) -> datetime:
    """Return a time as Go writes it, with nine digits behind the second; the beginning of time for none."""
    try:
        return datetime.fromisoformat(str(text)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
