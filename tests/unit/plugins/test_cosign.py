"""The cosign plugin's inputs and plans. What cosign then does is in tests/e2e."""

from __future__ import annotations

import base64
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import InputError, RegistryClient, Tool
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.runtime.ci import Ci
from gocdnext_sdk.runtime.tool import INHERITED
from gocdnext_sdk.tools.signing import PublicKey, SigningTool
from gocdnext_sdk.tools.sigstore import NOBODY, signing_config

FOLDER = Path(__file__).parents[3] / "plugins" / "cosign"
PLUGIN = load_plugin(FOLDER)
MODULE = sys.modules[PLUGIN.__module__]
PACKAGE = PLUGIN.__module__.rpartition(".")[0]
provenance = sys.modules[f"{PACKAGE}.provenance"]

IMAGE = "ghcr.io/org/app:v1"
SUBJECT = MODULE.Reference.parse("ghcr.io/org/app@sha256:" + "a" * 64)
PRIVATE = (
    "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
)
PUBLIC = "-----BEGIN PUBLIC KEY-----\ncHVibGlj\n-----END PUBLIC KEY-----"
ROOT = json.dumps({**NOBODY, "certificateAuthorities": []})
SERVICES = {
    "fulcio-url": "https://fulcio.example",
    "rekor-url": "https://rekor.example",
    "timestamp-server-url": "https://tsa.example/api/v1/timestamp",
}


def token(**claims: Any) -> str:
    payload = {"iss": "https://ci.example", "sub": "project:x", "aud": "sigstore", "exp": time.time() + 3600}
    parts = ({"alg": "RS256"}, payload | claims, {"signature": "canary"})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(with_: dict[str, str], env: dict[str, str] | None = None) -> Any:
    """Read inputs; they are about an image, if they do not say about what."""
    if not with_.keys() & {"image", "files", "predicates"}:
        with_ = {"image": IMAGE, **with_}
    variables = {f"PLUGIN_{key.upper().replace('-', '_')}": value for key, value in with_.items()}
    return read_inputs(PLUGIN.inputs, {"GOCDNEXT": "true"} | variables | (env or {}))


def mistakes(with_: dict[str, str], env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(with_, env)
    return caught.value.lines()


def test_bad_input_ends_with_2_and_one_line_a_mistake(run_plugin: PluginRunner) -> None:
    result = run_plugin(FOLDER, {"action": "sgin", "tlog": "maybe", "cert-identty": "x"}, mode="function")
    assert result.exited(2).errors == (
        "with.cert-identty: unknown input; did you mean `cert-identity`?",
        (
            'with.action: "sgin" is not one of "sign", "verify", "attest", "verify-attestation", '
            '"sign-blob", "verify-blob", "attest-blob", "verify-blob-attestation"; did you mean "sign"?'
        ),
        'with.tlog: "maybe" is not a boolean; write "true" or "false"',
        "nothing was done: 3 mistakes in `with:`",
    )
    assert result.calls == ()


def test_the_published_keyless_recipe_without_a_token_says_what_to_add(run_plugin: PluginRunner) -> None:
    recipe = {
        "image": IMAGE,
        "action": "sign",
        "cert-identity": "https://github.com/klinux/myapp/.github/workflows/release.yaml@refs/heads/main",
        "cert-oidc-issuer": "https://token.actions.githubusercontent.com",
    }
    result = run_plugin(FOLDER, recipe, mode="function").exited(2)
    assert "add `id_tokens: {SIGSTORE_ID_TOKEN: {aud: sigstore}}` to the job" in result.errors[0]
    assert result.calls == ()


def test_a_token_that_will_not_do_is_refused_by_its_claims(run_plugin: PluginRunner) -> None:
    bad = token(aud="vault", exp=time.time() - 720)
    inputs = {"image": IMAGE, "cert-oidc-issuer": "https://other.example"}
    result = run_plugin(FOLDER, inputs, secrets={"SIGSTORE_ID_TOKEN": bad}, mode="function").exited(2)
    claims = [message.split(": ")[1] for message in result.errors[:-1]]
    assert claims == ["exp", "aud", "iss"]
    assert result.calls == ()


@pytest.mark.parametrize(
    ("with_", "env"),
    [
        ({"identity-token": token()}, {}),
        ({}, {"SIGSTORE_ID_TOKEN": token()}),
        ({"identity-token-name": "RELEASE_TOKEN"}, {"RELEASE_TOKEN": f"{token()}\n"}),
        ({"oidc-client-id": "internal", "identity-token": token(aud=["internal"])}, {}),
    ],
)
def test_a_token_comes_from_the_input_or_from_the_job(with_: dict[str, str], env: dict[str, str]) -> None:
    assert read(with_, env).token(env).reveal().count(".") == 2


def test_the_token_of_the_job_is_not_asked_for_when_there_is_a_key() -> None:
    read({"key-content": PRIVATE}, {"SIGSTORE_ID_TOKEN": "not even a token"})


@pytest.mark.parametrize(
    ("with_", "message"),
    [
        (
            {"key": PRIVATE},
            "with.key: must be a path or a KMS URI, not key material; give it as `key-content`",
        ),
        ({"key": "cosign.key"}, 'with.key: there is no key file "cosign.key" in the workspace'),
        ({"key-content": PRIVATE.replace("\n", " ")}, "with.key-content: the PEM has lost its line breaks"),
        (
            {"key-content": PUBLIC},
            "with.key-content: is a public key, and action: sign needs the private one",
        ),
        ({"key": "kms://x"}, 'with.key: "kms://" is not supported'),
        ({"action": "verify"}, "with.cert-identity: is required with action: verify and no key"),
        ({"action": "verify", "cert-identity": "x"}, "with.cert-oidc-issuer: is required"),
        (
            {"key-content": PRIVATE, "cert-identity": "x"},
            'cert-identity: cannot be combined with "key-content"',
        ),
        (
            {"key-content": PRIVATE, "action": "attest"},
            "with.predicate: is required with action: attest",
        ),
        (
            {"key-content": PRIVATE, "action": "attest", "predicate": "sbom.json"},
            'with.predicate: there is no file "sbom.json" in the workspace',
        ),
        (
            {"key-content": PRIVATE, "action": "attest", "predicate": ".", "annotations": "a=b"},
            "with.annotations: has no effect with action: attest; leave it out",
        ),
        ({"image": "", "key-content": PRIVATE}, "with.image: is required with action: sign"),
        (
            {"key-content": PRIVATE, "action": "attest", "predicates": "ghcr.io/org/app:v1=a.json"},
            "with.predicates: item 1, ",
        ),
        (
            {"key-content": PRIVATE, "action": "attest", "predicates": f"{SUBJECT}=a.json"},
            'with.predicates: there is no file "a.json" in the workspace',
        ),
        (
            {"key-content": PRIVATE, "action": "attest", "predicate": ".", "materials": IMAGE},
            "with.materials: has no effect with predicate-type: custom",
        ),
        ({"key-content": PRIVATE, "action": "sign-blob"}, "with.files: is required with action: sign-blob"),
        (
            {"key-content": PRIVATE, "action": "sign-blob", "files": "dist/*"},
            "with.files: item 1 matches no file in the workspace",
        ),
        (
            {"key-content": PRIVATE, "action": "sign-blob", "files": "../*"},
            "with.files: item 1 leads out of the workspace",
        ),
        (
            {"key-content": PRIVATE, "action": "sign-blob", "files": "/etc/passwd"},
            "with.files: item 1 leads out of the workspace",
        ),
        ({"key-content": PRIVATE, "files": "a"}, "with.files: has no effect with action: sign"),
        (
            {"action": "verify", "key-content": PUBLIC, "format": "legacy"},
            "with.format: has no effect with action: verify",
        ),
        ({"key-content": PRIVATE, "replace": "true"}, "with.replace: has no effect with action: sign"),
        (
            {"identity-token": token(), "trusted-root": ROOT, "rekor-version": "2", "format": "both"}
            | SERVICES,
            'with.format: "both" needs a transparency log of version 1',
        ),
        (
            {"key-content": PRIVATE, "predicate-type": "sbom"},
            'with.predicate-type: "sbom" is not a predicate type',
        ),
        ({"key-content": PRIVATE, "annotations": "commit"}, "with.annotations: item 1 has no value"),
        (
            {"key-content": PRIVATE, "rekor-url": "https://rekor.example"},
            "with.trusted-root: is required",
        ),
        ({"key-content": PRIVATE, "signing-config": "{}"}, "with.signing-config: names no transparency log"),
        ({"key-content": PRIVATE, "signing-config": "{"}, "with.signing-config: is not JSON"),
        (
            {"key-content": PRIVATE, "trusted-root": "root.json"},
            "with.trusted-root:",
        ),
        ({"key-content": PRIVATE, "rekor-url": "ftp://x"}, 'with.rekor-url: "ftp://x" is not a service URL'),
        ({"identity-token": token(), "tlog": "false"}, "with.fulcio-url: names no certificate authority"),
    ],
)
def test_every_mistake_has_its_own_line(with_: dict[str, str], message: str) -> None:
    assert any(message in line for line in mistakes(with_)), mistakes(with_)


def test_no_mistake_shows_a_key_or_a_login_in_a_url() -> None:
    lines = mistakes(
        {
            "key": PRIVATE,
            "key-content": PRIVATE.replace("\n", " "),
            "rekor-url": "https://u:canary@rekor.example",
        }
    )
    assert not any("c2VjcmV0" in line or "canary" in line for line in lines)


def test_keyless_without_a_log_needs_a_timestamp() -> None:
    keyless = {"identity-token": token(), "tlog": "false", "trusted-root": ROOT}
    assert "timestamp authority" in mistakes(keyless | {"fulcio-url": "https://fulcio.example"})[0]
    read(keyless | SERVICES)


def test_a_private_key_may_verify_and_a_public_one_does() -> None:
    for content in (PRIVATE, PUBLIC):
        assert read({"action": "verify", "key-content": content}).action == "verify"


def test_by_default_the_public_sigstore_serves() -> None:
    inputs = read({"key-content": PRIVATE})
    assert (inputs.services, inputs.trust) == (None, None)


def test_without_a_log_nothing_outside_is_asked_and_nobody_else_trusted() -> None:
    inputs = read({"key-content": PRIVATE, "tlog": "no"})
    assert inputs.services == {**signing_config(), "rekorTlogUrls": []}
    assert inputs.trust == NOBODY


def test_urls_make_a_signing_config_of_exactly_these_services() -> None:
    inputs = read({"identity-token": token(), "trusted-root": ROOT, "rekor-version": "2"} | SERVICES)
    urls = {
        key: [each["url"] for each in inputs.services.get(key, ())] for key in ("caUrls", "rekorTlogUrls")
    }
    assert urls == {"caUrls": ["https://fulcio.example"], "rekorTlogUrls": ["https://rekor.example"]}
    assert inputs.services["rekorTlogUrls"][0]["majorApiVersion"] == 2


def test_a_signing_config_may_be_a_file_and_lose_its_log(checkout: Path) -> None:
    config = signing_config(rekor="https://rekor.example", tsa="https://tsa.example")
    (checkout / "signing-config.json").write_text(json.dumps(config))
    with_ = {"key-content": PRIVATE, "signing-config": "signing-config.json"}
    assert read(with_).services == config
    without = read(with_ | {"tlog": "false"}).services
    assert without["rekorTlogUrls"] == []
    assert without["tsaUrls"] == config["tsaUrls"]


def signer(
    with_: dict[str, str], key: str | None = None, issuer: str | None = None, environ: Any = None
) -> Any:
    inputs = read(with_)
    known = PublicKey(key) if key else None
    cosign = SigningTool(Any, Tool("cosign", environ or {}, Any), key, known, issuer)
    return MODULE.Signer(inputs, cosign, "config", "root")


def plan(with_: dict[str, str], key: str | None = None, form: str = "bundle") -> list[str]:
    made = signer(with_, key)
    argv: list[str] = made.command(form, [SUBJECT], made.inputs.predicate)
    return argv


def policy(with_: dict[str, str], issuer: str | None = None) -> Any:
    return signer(with_, issuer=issuer).policy(SUBJECT.registry)


def test_signing_by_key() -> None:
    assert plan({"key-content": PRIVATE, "annotations": "a=1, 2\nb=3"}, "/proc/self/fd/4") == [
        *("sign", "--yes", "--key", "/proc/self/fd/4"),
        *("--signing-config", "config", "--trusted-root", "root"),
        *("--annotations", '"a=1, 2"', "--annotations", "b=3"),
        str(SUBJECT),
    ]


def test_the_older_form_gets_its_services_by_url() -> None:
    no_log = {"key-content": PRIVATE, "tlog": "false", "format": "both"}
    older = ["--new-bundle-format=false", "--use-signing-config=false"]
    assert plan(no_log, "k", "legacy")[4:7] == [*older, "--tlog-upload=false"]
    assert plan({"key-content": PRIVATE, "format": "legacy"}, "k", "legacy")[4:6] == older
    keyless = {"identity-token": token(), "trusted-root": ROOT, "format": "legacy", **SERVICES}
    assert plan(keyless, None, "legacy")[4:-1] == [
        *older,
        *("--rekor-url", SERVICES["rekor-url"], "--fulcio-url", SERVICES["fulcio-url"]),
        *("--timestamp-server-url", SERVICES["timestamp-server-url"], "--trusted-root", "root"),
    ]


EACH = {
    "ca_urls": [{"url": "https://fulcio.example", "major_api_version": "1"}],
    "rekor_tlog_urls": [{"url": "https://rekor.example", "majorApiVersion": "1"}],
    "tsa_urls": [{"url": SERVICES["timestamp-server-url"], "major_api_version": 1}],
}
"""A signing config as protojson reads it, but nobody writes it."""


@pytest.mark.parametrize("format_", ["legacy", "both"])
def test_the_older_form_gets_the_services_that_cosign_would_read(format_: str) -> None:
    config = json.dumps(EACH)
    keyless = {"identity-token": token(), "trusted-root": ROOT, "format": format_, "signing-config": config}
    assert plan(keyless, None, "legacy")[6:12] == [
        *("--rekor-url", SERVICES["rekor-url"], "--fulcio-url", SERVICES["fulcio-url"]),
        *("--timestamp-server-url", SERVICES["timestamp-server-url"]),
    ]
    without = plan(keyless | {"tlog": "false"}, None, "legacy")
    assert "--tlog-upload=false" in without
    assert "--rekor-url" not in without
    assert "rekor_tlog_urls" not in read(keyless | {"tlog": "false"}).services


@pytest.mark.parametrize("format_", ["bundle", "legacy", "both"])
@pytest.mark.parametrize("kind", EACH)
def test_services_of_which_none_can_be_asked_are_a_mistake(kind: str, format_: str) -> None:
    """Or cosign would ask the public ones in their place: one of them would see the token."""
    (name,) = EACH[kind]
    for retired in ({"valid_for": {"end": "2020-01-01T00:00:00Z"}}, {"majorApiVersion": 9}):
        version = {} if "majorApiVersion" in retired else {"majorApiVersion": 1}
        config = {**EACH, kind: [{"url": name["url"], **version, **retired}]}
        keyless = {"identity-token": token(), "trusted-root": ROOT, "format": format_}
        (line,) = mistakes(keyless | {"signing-config": json.dumps(config)})
        assert line.startswith("with.signing-config: names no service in "), line


def test_the_older_form_takes_the_log_that_it_has_a_place_for() -> None:
    newer = {"url": "https://newer.example", "majorApiVersion": 2}
    config = {**EACH, "rekor_tlog_urls": [newer, *EACH["rekor_tlog_urls"]]}
    by_key = {"key-content": PRIVATE, "format": "legacy", "signing-config": json.dumps(config)}
    argv = plan(by_key, "k", "legacy")
    assert argv[argv.index("--rekor-url") + 1] == SERVICES["rekor-url"]
    config["rekor_tlog_urls"] = [newer]
    (line,) = mistakes(by_key | {"signing-config": json.dumps(config)})
    assert line.startswith('with.format: "legacy" needs a transparency log of version 1'), line


def test_one_field_in_both_spellings_is_a_mistake() -> None:
    config = json.dumps({**EACH, "caUrls": []})
    (line,) = mistakes({"key-content": PRIVATE, "signing-config": config})
    assert line.startswith('with.signing-config: has "caUrls" in both spellings'), line


def test_signing_keyless_names_where_the_token_is() -> None:
    assert plan({"identity-token": token()})[:4] == ["sign", "--yes", "--oidc-provider", "envvar"]


def test_an_error_names_the_services_that_sign() -> None:
    keyless = {"identity-token": token(), "trusted-root": ROOT, **SERVICES}
    assert signer({"key-content": PRIVATE}).by == ", by the public Sigstore"
    assert signer({"key-content": PRIVATE, "tlog": "false"}).by == ""
    assert signer(keyless).by == ", by fulcio.example, rekor.example, tsa.example"


def test_attesting(checkout: Path) -> None:
    (checkout / "sbom.json").write_text("{}")
    with_ = {
        "action": "attest",
        "key-content": PRIVATE,
        "predicate": "sbom.json",
        "predicate-type": "spdxjson",
    }
    assert plan(with_, "k")[-5:] == ["--predicate", "sbom.json", "--type", "spdxjson", str(SUBJECT)]


def test_after_keyless_signing_the_stated_identity_is_demanded() -> None:
    stated = {"cert-identity": "https://ci.example/x", "cert-oidc-issuer": "https://ci.example"}
    found = policy({"identity-token": token()} | stated, "https://ci.example")
    assert (found.identity, found.issuer, found.identity_regexp) == (*stated.values(), None)


def test_after_keyless_signing_without_a_stated_identity_the_issuer_is_demanded() -> None:
    found = policy({"identity-token": token()}, "https://ci.example")
    assert (found.identity_regexp, found.issuer, found.issuer_regexp) == (".+", "https://ci.example", None)


def test_certificates_are_looked_up_in_the_logs_the_trusted_root_names() -> None:
    verify = {"action": "verify", "cert-identity": "i", "cert-oidc-issuer": "https://ci.example"}
    logged = json.dumps({**NOBODY, "ctlogs": [{"baseUrl": "https://ct.example"}]})
    assert policy(verify).sct
    assert policy(verify | {"trusted-root": logged}).sct
    assert not policy(verify | {"trusted-root": ROOT}).sct
    assert not policy(verify | {"trusted-root": json.dumps({**NOBODY, "ctlogs": None})}).sct


def test_cosign_sees_no_variable_it_was_not_given(run_plugin: PluginRunner, fake_tools: Any) -> None:
    fake_tools.add("cosign", exit_code=1, script="echo 'Error: decrypt: encrypted' >&2")
    (run_plugin.workspace / "app.tar").write_text("content")
    result = run_plugin(
        FOLDER,
        {"action": "sign-blob", "files": "app.tar", "key-content": PRIVATE, "key-password": "open sesame"},
        env={
            "AWS_SECRET_ACCESS_KEY": "canary",
            "SIGSTORE_ROOT_FILE": "/evil",
            "COSIGN_REPOSITORY": "ghcr.io/s",
        },
        secrets={"SIGSTORE_ID_TOKEN": token(), "COSIGN_PRIVATE_KEY": PRIVATE},
        mode="function",
    ).exited(2)
    assert result.errors[0] == "with.key-password: does not open the key; is it that key's password?"
    assert "SIGSTORE_ROOT_FILE is not used: write `trusted-root`" in result.warnings
    assert [call.argv[0] for call in result.calls] == ["public-key", "sign-blob"]
    for call in result.calls:
        assert call.environ - INHERITED == {"COSIGN_PASSWORD", "COSIGN_REPOSITORY", "PATH"}


def test_the_statements_of_all_platforms_come_as_trivy_hands_them_over(checkout: Path) -> None:
    for name in ("amd64", "arm64"):
        (checkout / f"{name}.json").write_text("{}")
    other = SUBJECT.with_digest("sha256:" + "b" * 64)
    with_ = {"action": "attest", "key-content": PRIVATE, "predicate-type": "cyclonedx"}
    inputs = read(with_ | {"predicates": f"{SUBJECT}=amd64.json,{other}=arm64.json"})
    assert inputs.predicates == ((SUBJECT, "amd64.json"), (other, "arm64.json"))
    assert inputs.images == (SUBJECT, other)


def test_a_provenance_says_what_is_known_of_the_run() -> None:
    base = MODULE.Reference.parse("docker.io/library/python:3.13@sha256:" + "b" * 64)
    ci = Ci(
        commit="a" * 40,
        branch="main",
        event="push",
        repository_url="https://git.example/org/app",
        run_url="https://ci.example/runs/7",
        run_counter=7,
        now=datetime(2026, 11, 26, 10, tzinfo=UTC),
    )
    made = MODULE.provenance(ci, MODULE.builder_of(ci, None), SUBJECT, [base])
    assert made["runDetails"] == {
        "builder": {"id": "https://ci.example"},
        "metadata": {"invocationId": "https://ci.example/runs/7", "finishedOn": "2026-11-26T10:00:00Z"},
    }
    assert made["buildDefinition"]["resolvedDependencies"] == [
        {"uri": "git+https://git.example/org/app@refs/heads/main", "digest": {"gitCommit": "a" * 40}},
        {"uri": "oci://docker.io/library/python:3.13", "digest": {"sha256": "b" * 64}},
    ]
    assert made["buildDefinition"]["externalParameters"] == {
        "source": {"uri": "https://git.example/org/app", "ref": "refs/heads/main"},
        "image": "ghcr.io/org/app",
    }
    assert MODULE.builder_of(ci, "https://issuer.example") == "https://issuer.example"


def test_two_jobs_of_one_run_make_the_same_provenance_and_two_runs_do_not() -> None:
    def made(run: str | None, hour: int) -> Any:
        ci = Ci(commit="a" * 40, run_id=run, now=datetime(2026, 11, 26, hour, tzinfo=UTC))
        return MODULE.provenance(ci, "https://ci.example", SUBJECT, [])

    assert provenance.of_one_run(made("7", 10), made("7", 11))
    assert not provenance.of_one_run(made("7", 10), made("8", 10))
    assert not provenance.of_one_run(made(None, 10), made(None, 11))  # of which run, nobody knows
    assert not provenance.of_one_run("no provenance", made("7", 10))


def test_a_provenance_never_names_gocdnext_where_another_system_builds() -> None:
    with_ = {"action": "attest", "predicate-type": "slsaprovenance1", "key-content": PRIVATE}
    (line,) = mistakes(with_, {"GOCDNEXT": ""})
    assert "CI_RUN_URL" in line
    assert read(with_, {"GOCDNEXT": "", "CI_RUN_URL": "https://ci.example/7"})
    assert read(with_)


def test_of_a_run_that_nothing_is_known_of_nothing_is_said() -> None:
    made = MODULE.provenance(Ci(), MODULE.builder_of(Ci(), None), SUBJECT, [])
    assert set(made["buildDefinition"]) == {"buildType", "externalParameters"}
    assert set(made["runDetails"]["metadata"]) == {"finishedOn"}


@pytest.mark.parametrize(
    ("kind", "attested", "statement", "same"),
    [
        ("custom", {"Data": '{"a": 1}', "Timestamp": "now"}, '{"a": 1}', True),
        ("custom", {"Data": '{"a": 2}', "Timestamp": "now"}, '{"a": 1}', False),
        ("spdx", "SPDXVersion: SPDX-2.3", "SPDXVersion: SPDX-2.3", True),
        ("cyclonedx", {"b": 1.0, "a": []}, '{"a": [], "b": 1}', True),
        ("https://x.example/y", {"a": 1}, '{"a": 2}', False),
        ("vuln", {"a": 1}, "no JSON", False),
        ("vuln", {"a": 1}, '{"a": true}', False),
        ("vuln", {"a": 2**53}, '{"a": 9007199254740993}', True),
    ],
)
def test_an_attestation_that_says_the_same_is_told(
    kind: str, attested: object, statement: str, same: bool
) -> None:
    assert MODULE.files.is_same(kind, attested, statement) is same


@pytest.mark.parametrize(
    ("with_", "command"),
    [
        ({"key-content": PRIVATE}, f"cosign verify --key cosign.pub {SUBJECT}"),
        ({"key": "awskms:///x"}, f"cosign verify --key awskms:///x {SUBJECT}"),
        (
            {"action": "attest", "predicate-type": "slsaprovenance1", "key-content": PRIVATE},
            f"cosign verify-attestation --type slsaprovenance1 --key cosign.pub {SUBJECT}",
        ),
        (
            {"key-content": PRIVATE, "format": "legacy"},
            f"cosign verify --key cosign.pub --new-bundle-format=false {SUBJECT}",
        ),
        ({"key-content": PRIVATE, "format": "both"}, f"cosign verify --key cosign.pub {SUBJECT}"),
        (
            {"key-content": PRIVATE, "annotations": "a=b c"},
            f"cosign verify --key cosign.pub --annotations 'a=b c' {SUBJECT}",
        ),
        (
            {"action": "verify", "cert-identity": "i", "cert-oidc-issuer": "https://ci.example"},
            f"cosign verify --certificate-identity i --certificate-oidc-issuer https://ci.example {SUBJECT}",
        ),
    ],
)
def test_anybody_is_told_how_to_verify(with_: dict[str, str], command: str) -> None:
    made = signer(with_, key=with_.get("key", "/proc/self/fd/3") if "cert-identity" not in with_ else None)
    assert MODULE.verify_command(made, [SUBJECT]) == command


def test_an_annotation_that_everybody_can_read_holds_no_secret() -> None:
    given = {"key-content": PUBLIC, "action": "verify", "annotations": "a=b\nc=hunter2hunter2"}
    (line,) = mistakes(given, {"A_TOKEN": "hunter2hunter2"})
    assert line.startswith("with.annotations: item 2 holds a secret of the job")


def test_what_an_index_names_twice_is_signed_once() -> None:
    registry = FakeRegistry()
    image = registry.push("app", {"schemaVersion": 2, "config": {}, "layers": []})
    entry = {"mediaType": image.media_type, "digest": image.digest, "size": image.size}
    variant = {**entry, "platform": {"os": "linux", "architecture": "386"}}
    inner = registry.push("app", {"schemaVersion": 2, "manifests": [entry]})
    nested = {"mediaType": inner.media_type, "digest": inner.digest, "size": inner.size}
    index = registry.push("app", {"schemaVersion": 2, "manifests": [entry, variant, nested]})
    whole = registry.reference("app").with_digest(index.digest)
    inputs = SimpleNamespace(
        predicates=(), materials=(), predicate=None, makes_provenance=False, recursive=True
    )
    subjects = PLUGIN._subjects(
        SimpleNamespace(inputs=inputs), [whole], RegistryClient(transport=registry), SimpleNamespace()
    )
    assert [each.reference.digest for each in subjects] == [index.digest, image.digest, inner.digest]
