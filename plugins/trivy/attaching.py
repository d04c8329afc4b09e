"""Reports that are attached to the image, as OCI referrers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from gocdnext_sdk import Job, Reference
from gocdnext_sdk.oci.referrers import CREATED, File, attach

from .formats import MEDIA_TYPES
from .inputs import TrivyInputs
from .report import Written


def attach_reports(inputs: TrivyInputs, job: Job, image: str, written: Iterable[Written]) -> None:
    """Attach each report to the image that it is about: to that of one platform, or to the whole.

    Args:
        inputs: have the logins.
        job: has the registry and the workspace.
        image: the whole, by digest.
        written: the reports.

    Raises:
        RegistryError: this user may not, or the registry refuses.
    """
    registry = job.registry(inputs.all_credentials, inputs.insecure_registries)
    created = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    for each in written:
        subject = Reference.parse(
            each.subject.reference if each.subject and each.subject.reference else image
        )
        media_type = MEDIA_TYPES.get(each.wanted.format, "text/plain")
        file = File(each.path, media_type, (job.workspace / each.path).read_bytes())
        digest = attach(registry, subject, media_type, [file], {CREATED: created})
        job.say(f"attached {each.path} to {subject} as {digest}")
