"""Whether cosign finds an image signed: its answers, its refusals, and failures that decide nothing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from gocdnext_sdk.errors import Findings, ToolError, doing
from gocdnext_sdk.oci.credentials import Credentials
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.job import Job
from gocdnext_sdk.runtime.runner import Completed
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.secret import Secret
from gocdnext_sdk.tools.cosign.environment import INHERITED
from gocdnext_sdk.tools.cosign.keys import kms_environ
from gocdnext_sdk.tools.cosign.policy import Policy, annotation_flags
from gocdnext_sdk.tools.transient import patiently

SIGNATURES = frozenset({"https://sigstore.dev/cosign/sign/v1", "cosign container image signature"})
"""The types of an image signature, as a bundle and in the older format."""

REFUSALS = (
    b"no signatures found",
    b"no matching signatures",
    b"no matching attestations",
    b"no certificate found on signature",
    b"none of the attestations matched",
    b"no valid bundles exist",
    b"validation errors occurred",
)
"""What cosign says when it could look at everything and none of it will do."""

NOTHING_READ = (b"no signatures found", b"no matching attestations", b"no valid bundles exist")
"""What cosign says of an image without signatures, and just so of signatures that it could not read: it then
looks for some in the older format, and that there are none is all it reports."""

REFUSED = frozenset({10, 12, 13})
"""Exit codes that say the same, for signatures in the older format. Source: cosign `exit_codes.go`."""

_NOT_READ = re.compile(rb'(?i)\b(?:get|head) "?https?://|unexpected EOF|error verifying (?:size|sha256)')
"""What stands in a refusal, as the reason, if the registry did not give out what it was to look at."""

_VERIFIED = b'[{"critical": {"type": "https://sigstore.dev/cosign/sign/v1"}}]'
"""What `cosign verify` prints of a signed image, in short."""


def verifier(job: Job, credentials: Credentials, keys: Iterable[str | None]) -> Tool:
    """Return cosign as it verifies.

    Args:
        job: starts it.
        credentials: the logins to read images with.
        keys: those it verifies with; what it needs for one in a KMS is in its environment.
    """
    environ: dict[str, str | Secret] = {**job.docker_config(credentials)}
    for key in keys:
        environ |= kms_environ(key, job.environ)
    return job.tool("cosign", env=environ, inherit=INHERITED)


def verify(
    cosign: Tool, policy: Policy, subject: Reference, annotations: Iterable[tuple[str, str]] = ()
) -> None:
    """Check that `subject` is signed.

    Args:
        cosign: the tool.
        policy: who must have signed it.
        subject: with its digest.
        annotations: what the signature must state.

    Raises:
        Findings: it is not, or not by them.
        ToolError: that could not be found out.
    """
    verify_all(cosign, policy, [subject], annotations)


def verify_all(
    cosign: Tool,
    policy: Policy,
    subjects: Sequence[Reference],
    annotations: Iterable[tuple[str, str]] = (),
) -> None:
    """Check that all `subjects` are signed, by one call of cosign; the rest is as for `verify`."""
    stated = tuple(annotations)
    try:
        _verify_at_once(cosign, policy, subjects, stated)
    except Findings:
        if len(subjects) > 1:
            # Cosign ends at the first that will not do, does not say which that is, and looks only at the
            # first image to tell bundles from the older form.
            for each in subjects:
                verify_all(cosign, policy, [each], stated)
            return
        if policy.form == "legacy" or not is_verified(cosign, policy.older, subjects[0], stated):
            raise


def _verify_at_once(
    cosign: Tool, policy: Policy, subjects: Sequence[Reference], annotations: Iterable[tuple[str, str]]
) -> None:
    demands = (*policy.argv(), *annotation_flags(annotations))
    stdout = demand(cosign, ("verify", "--output", "json", *demands), subjects)
    for subject, signatures in zip(subjects, _signatures(stdout, len(subjects)), strict=True):
        try:
            signed = any(each["critical"]["type"] in SIGNATURES for each in signatures)
        except (KeyError, TypeError):
            raise unknown_form() from None
        if not signed:
            # `cosign verify` takes any attestation by the same signer for a signature.
            raise Findings(f"not verified: {subject} has attestations by this signer, but no signature")


def is_verified(
    cosign: Tool,
    policy: Policy,
    subject: Reference,
    annotations: Iterable[tuple[str, str]] = (),
    *,
    assumed: bool = False,
) -> bool:
    """Tell whether `subject` is signed, as `verify` does, without a word; what cannot be verified is not.

    Args:
        cosign: the tool.
        policy: who must have signed it.
        subject: with its digest.
        annotations: what the signature must state.
        assumed: what a plan takes for the answer.

    Raises:
        ToolError: cosign could not be run.
    """
    demands = (*policy.argv(), *annotation_flags(annotations))
    argv = ("verify", "--output", "json", *demands, subject)
    done = ask_cosign(cosign, argv, _VERIFIED if assumed else b"[]")
    if done.exit_code != 0:
        return False
    try:
        signatures = _signatures(done.stdout, 1)[0]
        return any(each["critical"]["type"] in SIGNATURES for each in signatures)
    except (ToolError, KeyError, TypeError):
        return False


def show(done: Completed) -> None:
    """Log what cosign wrote to standard error, after `Tool.quietly`."""
    print(done.stderr.decode(errors="replace").strip(), file=sys.stderr)


def _signatures(stdout: bytes, count: int) -> list[list[Any]]:
    """Return the signatures of each image: cosign prints a list an image, one after the other."""
    text, decoder, found, position = stdout.decode(errors="replace"), json.JSONDecoder(), [], 0
    try:
        while rest := text[position:].lstrip():
            each, length = decoder.raw_decode(rest)
            found.append(each)
            position = len(text) - len(rest) + length
    except ValueError:
        raise unknown_form() from None
    if len(found) == 1 and count > 1 and stdout == _VERIFIED:  # a plan has one answer for all
        return found * count
    if len(found) != count or not all(isinstance(each, list) for each in found):
        raise unknown_form()
    return found


def unknown_form() -> ToolError:
    """Return the error of output that is not as cosign writes it."""
    return ToolError("cosign verify printed JSON of an unknown form")


def demand(cosign: Tool, argv: Iterable[object], subjects: Sequence[Reference]) -> bytes:
    """Run a verification that all `subjects` have to pass, and return what cosign printed.

    Args:
        cosign: the tool.
        argv: its arguments, but for the subjects.
        subjects: with their digests.

    Raises:
        Findings: one does not pass.
        ToolError: that could not be found out.
    """
    named = str(subjects[0]) if len(subjects) == 1 else f"{subjects[0]} and {len(subjects) - 1} more"
    with doing(f"verifying {named}"):
        done = ask_cosign(cosign, (*argv, *subjects), _VERIFIED)
    if done.exit_code == 0:
        return done.stdout
    refused = is_refusal(done.exit_code, done.stderr)
    if refused and len(subjects) > 1:
        raise Findings(f"not verified: {named}")
    show(done)
    if refused:
        raise Findings(f"not verified: {named}; cosign's own message is above")
    raise ToolError(f"cosign could not verify {named}; its own message is above")


def ask_cosign(cosign: Tool, words: Iterable[object], assumed: bytes) -> Completed:
    """Run a verification, again if what went wrong may pass; what cosign says is not logged.

    Args:
        cosign: the tool.
        words: its arguments.
        assumed: what a plan takes for the output.

    Raises:
        ToolError: cosign could not be run.
    """
    argv = tuple(words)

    def ask() -> Completed:
        return cosign.quietly(*argv, ok={0, 1, *REFUSED}, assumed=assumed)

    done = patiently(ask)
    # A registry that failed once does not decide about the image.
    unread = any(none in done.stderr for none in NOTHING_READ) or _NOT_READ.search(done.stderr)
    return ask() if done.exit_code and unread else done


def is_refusal(exit_code: int, stderr: bytes) -> bool:
    """Tell whether cosign has looked at everything and nothing will do, or could not look.

    Args:
        exit_code: of a verification that failed.
        stderr: what it said.
    """
    said = exit_code in REFUSED or any(refusal in stderr for refusal in REFUSALS)
    return said and not _NOT_READ.search(stderr)
