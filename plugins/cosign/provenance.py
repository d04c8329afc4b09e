"""Where an image comes from: a SLSA build provenance, made of what is known of the run.

Source: https://slsa.dev/spec/v1.1/provenance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gocdnext_sdk import Ci, Reference

PLATFORM = "https://github.com/klinux/gocdnext"
BUILD_TYPE = f"{PLATFORM}/pipeline/v1"
"""Says how the parameters below are to be read: as those of a run of a gocdnext pipeline."""


def provenance(ci: Ci, builder: str, image: Reference, materials: Iterable[Reference]) -> dict[str, Any]:
    """Return the predicate for an image that this run has built.

    Its time is that of the job, which comes after the build and in the same run: a demand on the age of the
    provenance needs one, and only the builder knows the moment.

    Args:
        ci: the run.
        builder: the URI of what built.
        image: by digest.
        materials: images that went into it, by digest.
    """
    external: dict[str, Any] = {
        "source": {"uri": ci.repository_url, "ref": ci.ref},
        "pipeline": {"id": ci.pipeline_id, "project": ci.project_id},
        "image": image.name,
    }
    internal = {"event": ci.event, "cause": ci.cause, "counter": ci.run_counter}
    return {
        # Cosign leaves out what is empty; what it attested is then compared with this.
        "buildDefinition": _known(
            {
                "buildType": BUILD_TYPE,
                "externalParameters": external,
                "internalParameters": internal,
                "resolvedDependencies": [*_source(ci), *map(_material, materials)],
            }
        ),
        "runDetails": {
            "builder": {"id": builder},
            "metadata": _known({"invocationId": ci.run_url or ci.run_id})
            | {"finishedOn": f"{ci.now:%Y-%m-%dT%H:%M:%SZ}"},
        },
    }


def of_one_run(attested: object, made: Mapping[str, Any]) -> bool:
    """Tell whether a provenance says what `provenance` has returned, if for another job of the same run."""
    run, there = _without_time(made), _without_time(attested)
    return "invocationId" in run["runDetails"]["metadata"] and there == run


def _without_time(predicate: object) -> Any:
    try:
        details = predicate["runDetails"]  # type: ignore[index]
        metadata = {name: value for name, value in details["metadata"].items() if name != "finishedOn"}
        return {**predicate, "runDetails": {**details, "metadata": metadata}}  # type: ignore[dict-item]
    except (AttributeError, KeyError, TypeError):
        return predicate


def builder_of(ci: Ci, issuer: str | None) -> str:
    """Return the URI of what built: the CI system, as its identity tokens name it, or as its pages do."""
    if issuer:
        return issuer
    scheme, separator, rest = (ci.run_url or "").partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if separator else PLATFORM


def _source(ci: Ci) -> list[dict[str, Any]]:
    if not ci.commit:
        return []
    place = f"git+{ci.repository_url}{f'@{ci.ref}' if ci.ref else ''}" if ci.repository_url else None
    return [_known({"uri": place, "digest": {"gitCommit": ci.commit}})]


def _material(image: Reference) -> dict[str, Any]:
    algorithm, _, value = str(image.digest).partition(":")
    tag = f":{image.tag}" if image.tag else ""
    return {"uri": f"oci://{image.name}{tag}", "digest": {algorithm: value}}


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are known, at any depth."""
    found = {name: _known(value) if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: value for name, value in found.items() if value not in (None, {}, [], "")}
