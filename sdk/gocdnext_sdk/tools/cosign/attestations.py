"""Attestations: verified ones, what they state, and whether they satisfy rules in CUE or Rego."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gocdnext_sdk.errors import Findings, ToolError
from gocdnext_sdk.oci.reference import Reference
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.tools.cosign.policy import Policy
from gocdnext_sdk.tools.cosign.verification import ask_cosign, demand, show, unknown_form


def verify_attestation(
    cosign: Tool, policy: Policy, subject: Reference, predicate_type: str, rules: Sequence[str] = ()
) -> None:
    """Check that `subject` has an attestation of `predicate_type`.

    Args:
        cosign: the tool.
        policy: who must have attested it.
        subject: with its digest.
        predicate_type: cosign's name for it, or its URI.
        rules: paths of CUE or Rego files that every attestation of that type must satisfy.

    Raises:
        Findings: it has none, or none of that type or by them, or one that breaks the rules.
        ToolError: that could not be found out.
    """
    try:
        argv = ("verify-attestation", "--type", predicate_type, *_rule_flags(rules), *policy.argv())
        demand(cosign, argv, [subject])
    except Findings:
        if policy.form == "legacy":
            raise
        older = policy.older
        if not verified_predicates(cosign, older, subject, predicate_type):
            raise
        if verified_predicates(cosign, policy, subject, predicate_type):
            raise  # there are such attestations; they break the rules
        if broken_rules(cosign, older, subject, predicate_type, rules):
            raise
    else:
        # Cosign looks at none of the older form where there is a bundle, and the rules are for all.
        if not rules or policy.form == "legacy":
            return
        if verified_predicates(cosign, policy.older, subject, predicate_type) and (
            broken := broken_rules(cosign, policy.older, subject, predicate_type, rules)
        ):
            what = f"an attestation in the older form breaks the rules: {broken[0]}"
            raise Findings(f"not verified: {subject}; {what}")


def broken_rules(
    cosign: Tool, policy: Policy, subject: Reference, predicate_type: str, rules: Sequence[str]
) -> tuple[str, ...]:
    """Return what cosign finds wrong with verified attestations by rules in CUE or Rego; nothing if all hold.

    Args:
        cosign: the tool.
        policy: who must have attested, in the form of which `subject` has an attestation.
        subject: with its digest.
        predicate_type: of the attestations.
        rules: paths of .cue and .rego files.

    Raises:
        ToolError: that could not be found out.
    """
    if not rules:
        return ()
    argv = ("verify-attestation", "--type", predicate_type, *_rule_flags(rules), *policy.argv(), subject)
    done = ask_cosign(cosign, argv, b"")
    if done.exit_code == 0:
        return ()
    if b"validation errors occurred" not in done.stderr:
        show(done)
        raise ToolError(f"cosign could not apply {', '.join(rules)}; its own message is above")
    lines = done.stderr.decode(errors="replace").splitlines()
    return tuple(line.strip()[2:] for line in lines if line.strip().startswith("- ")) or ("refused",)


def _rule_flags(rules: Iterable[str]) -> list[str]:
    return [word for rule in rules for word in ("--policy", rule)]


def verified_predicates(
    cosign: Tool, policy: Policy, subject: Reference, predicate_type: str, *, assumed: object = None
) -> tuple[object, ...]:
    """Return what the attestations of `predicate_type` state that `subject` has by these signers.

    What cannot be verified is left out, without a word.

    Args:
        cosign: the tool.
        policy: who must have attested it.
        subject: with its digest.
        predicate_type: cosign's name for it, or its URI.
        assumed: what a plan takes for the one statement; None: that there is none.

    Raises:
        ToolError: cosign could not be run, or printed JSON of an unknown form.
    """
    argv = ("verify-attestation", "--type", predicate_type, *policy.argv(), subject)
    done = ask_cosign(cosign, argv, b"" if assumed is None else envelope(assumed))
    if done.exit_code != 0:
        return ()
    found = []
    for line in filter(None, done.stdout.split(b"\n")):
        try:
            found.append(statement(json.loads(line))["predicate"])
        except (ValueError, KeyError, TypeError):
            raise unknown_form() from None
    return tuple(found)


def verified_bundle(
    cosign: Tool, policy: Policy, digest: str, path: str, predicate_type: str, bundle: bytes
) -> tuple[object] | None:
    """Return what a bundle states of a digest; None if it is not by these signers, or not of that type.

    Args:
        cosign: the tool.
        policy: who must have signed it.
        digest: of what the statement is about.
        path: where cosign finds the bundle.
        predicate_type: of the statement.
        bundle: its content.

    Raises:
        ToolError: cosign could not be run, or the bundle that it verified is of an unknown form.
    """
    algorithm, _, value = digest.partition(":")
    subject = ("--digest", value, "--digestAlg", algorithm)
    argv = ("--bundle", path, "--type", predicate_type, *subject, *replace(policy, insecure=False).argv())
    if ask_cosign(cosign, ("verify-blob-attestation", *argv), b"").exit_code != 0:
        return None
    try:
        return (statement(json.loads(bundle)["dsseEnvelope"])["predicate"],)
    except (ValueError, KeyError, TypeError):
        raise unknown_form() from None


def statement(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the in-toto statement in a DSSE envelope; nothing is verified.

    Raises:
        ValueError, KeyError, TypeError: there is none.
    """
    found = json.loads(base64.b64decode(envelope["payload"]))
    if not isinstance(found, dict):
        raise TypeError("no statement")
    return found


def envelope(predicate: object) -> bytes:
    """Return a DSSE envelope of a statement with a predicate, as cosign prints one; nothing is signed."""
    payload = base64.b64encode(json.dumps({"predicate": predicate}).encode()).decode()
    return json.dumps({"payload": payload}).encode()
