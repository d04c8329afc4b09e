"""Adapter for cosign 3.1: keys, policies, verification.

The flags and messages are those of cosign 3.1.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gocdnext_sdk.errors import Findings, Invalid, Problem, ToolError, doing
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.runtime.runner import Completed
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.secret import Secret, looks_secret
from gocdnext_sdk.tools.csv import comma_separated
from gocdnext_sdk.tools.transient import patiently
from gocdnext_sdk.workspace import workspace_path

KMS: Mapping[str, tuple[str, ...]] = {
    "awskms": ("AWS_",),
    "gcpkms": ("GOOGLE_", "GCE_METADATA_"),
    "azurekms": ("AZURE_", "IDENTITY_", "MSI_"),
    "hashivault": ("VAULT_", "BAO_", "TRANSIT_SECRET_ENGINE_PATH"),
    "k8s": ("KUBECONFIG", "KUBERNETES_SERVICE_"),
    "gitlab": ("GITLAB_HOST", "GITLAB_TOKEN"),
}
"""Where a key may live outside the workspace, and which of the job's variables cosign needs for it."""

INHERITED = (
    *("DOCKER_CONFIG", "COSIGN_REPOSITORY", "COSIGN_DOCKER_MEDIA_TYPES", "COSIGN_MAX_ATTACHMENT_SIZE"),
    *("TUF_MIRROR", "SOURCE_DATE_EPOCH"),
)
"""Variables of the job that cosign may see. No secrets, and none that trusts another key or root.

A mirror is not trusted: what it serves is signed. `TUF_ROOT`, a folder of roots, and `TUF_ROOT_JSON` are;
they could lie in the checkout, so that `trusted-root` alone says what to trust.
"""

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

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----\r?\n.+\n-----END \1-----", re.DOTALL)
_PRIVATE = frozenset({"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"})


def key_reference(text: str, workspace: Path | None = Path()) -> str:
    """Return `text`, the path of a key in the workspace or a KMS URI.

    Raises:
        ValueError: it is neither; if it is a key itself, the message does not hold any of it.
    """
    if "-----BEGIN" in text or "\n" in text:
        raise Invalid("must be a path or a KMS URI, not key material", "give it as `key-content`")
    scheme = kms_scheme(text)
    if scheme is None:
        return workspace_path(text, workspace)
    if scheme not in KMS:
        raise Invalid(f'"{scheme}://" is not supported', f"give a path or one of {', '.join(KMS)}")
    return text


def kms_scheme(key: str | None) -> str | None:
    """Return the scheme of a key that is no file."""
    scheme, separator, _ = (key or "").partition("://")
    return scheme if separator else None


def kms_environ(key: str | None, environ: Mapping[str, str]) -> dict[str, str | Secret]:
    """Return the job's variables with which cosign reaches the KMS of `key`; nothing for a file."""
    scheme = kms_scheme(key)
    prefixes = KMS[scheme] if scheme else ()
    return {
        name: Secret(value) if looks_secret(name) else value
        for name, value in environ.items()
        if name.startswith(prefixes)
    }


def key_kind(text: str) -> Literal["private", "public"]:
    """Tell what the PEM of a key holds.

    Raises:
        ValueError: nothing that cosign can use; the message does not hold any of it.
    """
    found = _PEM.search(text)
    if found is None:
        if "-----BEGIN" in text:
            raise Invalid("the PEM has lost its line breaks or its end", "store the key file as it is")
        raise Invalid("is not PEM", 'cosign.key begins with "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"')
    if found[1] in _PRIVATE:
        return "private"
    if found[1].endswith("PUBLIC KEY"):
        return "public"
    raise Invalid(f"holds a {found[1]}", "convert it with `cosign import-key-pair`")


KEY_EXAMPLES = tuple(
    f"-----BEGIN {kind}-----\n…\n-----END {kind}-----\n"
    for kind in ("PUBLIC KEY", "ENCRYPTED SIGSTORE PRIVATE KEY")
)
"""What keys look like; a plan takes one for a key that it does not have."""


@dataclass(frozen=True)
class Policy:
    """Who must have signed, and what proves it.

    Args:
        key: path or KMS URI of the public key; None: a certificate proves it.
        identity: the identity that the certificate must name.
        identity_regexp: an expression for the whole identity, instead.
        issuer: the issuer of the identity.
        issuer_regexp: an expression for the whole issuer, instead.
        trusted_root: path of the trusted root; the public Sigstore's if not given.
        tlog: whether an entry in a transparency log is demanded.
        sct: whether the certificate's entry in a certificate transparency log is demanded.
        insecure: whether the registry may speak plain http.
        form: which form of signature counts: a bundle, or the older one where there is no bundle; or the
            older one alone.
    """

    key: str | None = None
    identity: str | None = None
    identity_regexp: str | None = None
    issuer: str | None = None
    issuer_regexp: str | None = None
    trusted_root: str | None = None
    tlog: bool = True
    sct: bool = True
    insecure: bool = False
    form: Literal["any", "legacy"] = "any"

    @property
    def older(self) -> Policy:
        """The same of the older form alone: cosign looks for it only where there is no bundle of any kind."""
        return replace(self, form="legacy")

    def argv(self) -> list[str]:
        """Return cosign's flags."""
        argv = flag("--key", self.key) + insecure_flags(insecure=self.insecure)
        if self.key is None:
            argv += flag("--certificate-identity", self.identity)
            argv += flag("--certificate-identity-regexp", _whole(self.identity_regexp))
            argv += flag("--certificate-oidc-issuer", self.issuer)
            argv += flag("--certificate-oidc-issuer-regexp", _whole(self.issuer_regexp))
            argv += [] if self.sct else ["--insecure-ignore-sct"]
        argv += flag("--trusted-root", self.trusted_root)
        argv += ["--new-bundle-format=false"] if self.form == "legacy" else []
        if not self.tlog:
            argv += ["--insecure-ignore-tlog"]
            # A certificate lives for minutes: without a log only a timestamp proves that it was valid then.
            argv += ["--use-signed-timestamps"] if self.key is None else []
        return argv


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
    stdout = _demand(cosign, ("verify", "--output", "json", *demands), subjects)
    for subject, signatures in zip(subjects, _signatures(stdout, len(subjects)), strict=True):
        try:
            signed = any(each["critical"]["type"] in SIGNATURES for each in signatures)
        except (KeyError, TypeError):
            raise _unknown_form() from None
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
        _demand(cosign, argv, [subject])
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
            raise _unknown_form() from None
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
    """
    algorithm, _, value = digest.partition(":")
    subject = ("--digest", value, "--digestAlg", algorithm)
    argv = ("--bundle", path, "--type", predicate_type, *subject, *replace(policy, insecure=False).argv())
    if ask_cosign(cosign, ("verify-blob-attestation", *argv), b"").exit_code != 0:
        return None
    try:
        return (statement(json.loads(bundle)["dsseEnvelope"])["predicate"],)
    except (ValueError, KeyError, TypeError):
        raise _unknown_form() from None


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
        raise _unknown_form() from None
    if len(found) == 1 and count > 1 and stdout == _VERIFIED:  # a plan has one answer for all
        return found * count
    if len(found) != count or not all(isinstance(each, list) for each in found):
        raise _unknown_form()
    return found


def _unknown_form() -> ToolError:
    return ToolError("cosign verify printed JSON of an unknown form")


def _demand(cosign: Tool, argv: Iterable[object], subjects: Sequence[Reference]) -> bytes:
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


def annotation_flags(annotations: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the flags for `annotations`, each a CSV record, since cosign reads them as such."""
    for name, value in annotations:
        yield from ("--annotations", comma_separated([f"{name}={value}"]))


def insecure_flags(*, insecure: bool) -> list[str]:
    """Return the flag that lets registries speak plain http where they do not speak TLS.

    It holds for every registry of a call, which is one: `COSIGN_REPOSITORY` is refused with it.
    """
    return ["--allow-http-registry"] if insecure else []


def check_insecure(environ: Mapping[str, str], insecure: Collection[Registry]) -> Iterator[Problem]:
    """Check that no registry beside the image's would be spoken to without TLS.

    Args:
        environ: the job's.
        insecure: the registries that may speak plain http.
    """
    repository = environ.get("COSIGN_REPOSITORY")
    if not (repository and insecure):
        return
    if not set(signature_registries(environ)).intersection(insecure):
        what = "cosign would allow plain http to the registry in COSIGN_REPOSITORY too"
        yield Problem("insecure-registries", what, "remove that variable, or name its registry here too")


def signature_registries(environ: Mapping[str, str]) -> tuple[Registry, ...]:
    """Return the registry that the job's `COSIGN_REPOSITORY` has signatures go to, if it names one."""
    try:
        return (Reference.parse(environ.get("COSIGN_REPOSITORY", "")).registry,)
    except ValueError:
        return ()


def flag(name: str, value: str | None) -> list[str]:
    """Return a flag and its value; nothing without one."""
    return [] if value is None else [name, value]


def _whole(expression: str | None) -> str | None:
    """Make `expression` match the whole text only; cosign is content with a part of it."""
    return None if expression is None else f"^(?:{expression})$"
