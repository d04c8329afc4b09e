"""Sign, attest and verify files of the workspace, each with its bundle beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gocdnext_sdk import Findings, Job, ToolError, doing
from gocdnext_sdk.tools.cosign import ask_cosign, show, statement
from gocdnext_sdk.tools.sigstore import normalised
from gocdnext_sdk.workspace import is_file, is_in_workspace, read_text

from .inputs import CosignInputs
from .predicates import is_same

if TYPE_CHECKING:
    from .signer import Signer

REFUSALS = (b"failed to verify", b"invalid predicate type")
"""What cosign says when it could look at everything and it will not do."""

BUNDLE = ".sigstore.json"
"""What the name of a bundle ends with."""


def matches(pattern: str, workspace: Path) -> Iterator[str]:
    """Yield the files that a path or a glob names, relative to the workspace; bundles are left out.

    Raises:
        ValueError: it leads out of the workspace.
    """
    if not is_in_workspace(pattern, workspace) or Path(pattern).is_absolute():
        raise ValueError("leads out of the workspace")
    # What nothing matches may still be what another job is to hand on, for a plan.
    for path in sorted(workspace.glob(pattern)) or [workspace / pattern]:
        name = str(path.relative_to(workspace))
        if is_file(path) and not name.endswith(BUNDLE):
            if not is_in_workspace(name, workspace):
                raise ValueError("leads out of the workspace")
            yield name


def files(inputs: CosignInputs, workspace: Path) -> list[str]:
    """Return all files, each once."""
    found: dict[str, None] = {}
    for pattern in inputs.files:
        try:
            found.update(dict.fromkeys(matches(pattern, workspace)))
        except ValueError:  # reported already
            continue
    return list(found)


def bundle_of(inputs: CosignInputs, file: str) -> str:
    """Return the path of a file's bundle."""
    kind = inputs.predicate_type if "://" not in inputs.predicate_type else "custom"
    return f"{file}.{kind}{BUNDLE}" if inputs.attestation else f"{file}{BUNDLE}"


def publish(signer: Signer, job: Job) -> None:
    """Sign or attest all files, and verify what was written."""
    inputs = signer.inputs
    for file in files(inputs, job.workspace):
        bundle = bundle_of(inputs, file)
        if is_file(job.workspace / bundle) and signer.knows_itself and _is_signed(signer, job, file, bundle):
            job.say(f"{file} is {inputs.done} already by this signer: {bundle}")
            continue
        _sign(signer, job, file, bundle)
        if inputs.verify_after_sign:
            _verify(signer, job, file, bundle)
        after = "; verified" if inputs.verify_after_sign else ""
        job.say(f"{inputs.done} {file}: {bundle}{after}")


def verify(signer: Signer, job: Job) -> None:
    """Check that all files are signed, or attested, as the inputs demand.

    Raises:
        Findings: one is not.
        ToolError: that could not be found out.
    """
    inputs = signer.inputs
    for file in files(inputs, job.workspace):
        bundle = bundle_of(inputs, file)
        _verify(signer, job, file, bundle)
        job.say(f"verified{f' ({inputs.predicate_type})' if inputs.attestation else ''} {file}: {bundle}")


def _sign(signer: Signer, job: Job, file: str, bundle: str) -> None:
    # Not written by cosign itself: a link in the checkout may stand where the bundle goes.
    written = job.scratch() / "bundle.json"
    command = signer.blob_command(_argument(file), str(written))
    with doing(f"{'attesting' if signer.inputs.attestation else 'signing'} {file}{signer.by}"):
        signer.cosign.sign(*command)
    job.write(bundle, written.read_bytes() if written.is_file() else b"")


def _is_signed(signer: Signer, job: Job, file: str, bundle: str) -> bool:
    """Tell whether a bundle that is there says what is to be said, by this signer."""
    inputs = signer.inputs
    stated = _stated(job, bundle)
    if stated is None or bool(stated) != inputs.attestation:
        return False
    if ask_cosign(signer.tool, _verify_command(signer, file, bundle), b"").exit_code != 0:
        return False
    if not inputs.attestation:
        return True
    wanted = read_text(job.workspace / (inputs.predicate or ""))
    return is_same(inputs.predicate_type, stated.get("predicate"), wanted)


def _verify(signer: Signer, job: Job, file: str, bundle: str) -> None:
    with doing(f"verifying {file}"):
        done = ask_cosign(signer.tool, _verify_command(signer, file, bundle), b"")
    if done.exit_code == 0:
        if not signer.inputs.attestation and (stated := _stated(job, bundle)) != {}:
            # `cosign verify-blob` takes an attestation for a signature.
            what = "cannot be told from an attestation" if stated is None else "is an attestation"
            raise Findings(f"not verified: {file}; {bundle} {what}, and no signature")
        return
    show(done)
    if any(refusal in done.stderr for refusal in REFUSALS):
        raise Findings(f"not verified: {file}; cosign's own message is above")
    raise ToolError(f"cosign could not verify {file} with {bundle}; its own message is above")


def _verify_command(signer: Signer, file: str, bundle: str) -> list[str]:
    inputs = signer.inputs
    kind = ["--type", inputs.predicate_type] if inputs.attestation else []
    action = "verify-blob-attestation" if inputs.attestation else "verify-blob"
    return [action, "--bundle", _argument(bundle), *kind, *signer.policy().argv(), _argument(file)]


def _stated(job: Job, bundle: str) -> dict[str, Any] | None:
    """Return what a bundle states: nothing for a signature; None if it is no bundle, or too large to tell."""
    try:
        content = normalised(json.loads(read_text(job.workspace / bundle)))
        if "dsseEnvelope" in content:
            return statement(content["dsseEnvelope"])
        is_signature = "messageSignature" in content or "base64Signature" in content  # the latter of cosign 2
    except FileNotFoundError:  # cosign has read it, but in a plan
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return {} if is_signature else None


def _argument(path: str) -> str:
    """Return a path that no tool takes for a flag."""
    return f"./{path}" if path.startswith("-") else path
