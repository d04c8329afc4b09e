"""The docker-push plugin's inputs and plans. What regctl, cosign and registries then do is in tests/e2e."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, Error, Findings, InputError, Reference, RegistryError
from gocdnext_sdk.errors import Cancelled
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.fixtures import FakeTools
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.tags import TagMoves
from gocdnext_sdk.tools.regctl import configuration

FOLDER = Path(__file__).parents[3] / "plugins" / "docker-push"
PLUGIN = load_plugin(FOLDER)
PACKAGE = PLUGIN.__module__.rpartition(".")[0]
MODULE = SimpleNamespace(
    **{
        name: value
        for module in ("inputs", "registries", "content", "tags", "plugin")
        for name, value in vars(sys.modules[f"{PACKAGE}.{module}"]).items()
    }
)

ATTESTED, RECEIPT = (import_module(f"{PACKAGE}.{name}") for name in ("attested", "receipt"))

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
SOURCE, TARGET = "staging.example/org/app:rc", "ghcr.io/org/app"
PUBLIC = "-----BEGIN PUBLIC KEY-----\ncHVibGlj\n-----END PUBLIC KEY-----"
PRIVATE = (
    "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----"
)
LOGIN = {"username": "writer", "password": "writer-password"}
SOURCE_LOGIN = {"source-username": "reader", "source-password": "reader-password"}


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(with_: dict[str, str], env: dict[str, str] | None = None) -> Any:
    given = {"source": SOURCE, "target": TARGET} | with_
    variables = {f"PLUGIN_{key.upper().replace('-', '_')}": value for key, value in given.items()}
    return read_inputs(PLUGIN.inputs, variables | (env or {}))


def mistakes(with_: dict[str, str], env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(with_, env)
    return caught.value.lines()


def references(*texts: str) -> list[Reference]:
    return [Reference.parse(text) for text in texts]


def test_bad_input_ends_with_2_and_one_line_a_mistake(run_plugin: PluginRunner) -> None:
    bad = {"source": "Org/App", "pull": "maybe", "tgas": "v1", "source-username": "reader"}
    assert run_plugin(FOLDER, bad, mode="function").exited(2).errors == (
        "with.tgas: unknown input; did you mean `tags`?",
        (
            'with.source: "Org/App" is not an image reference: the repository "Org/App" is not valid; '
            'write it as "org/app"'
        ),
        ("with.target: is required (where to publish, one or several, e.g. `ghcr.io/org/app`)"),
        'with.pull: "maybe" is not a boolean; write "true" or "false"',
        ('with.source-password: is required with "source-username"; is the secret set?'),
        "nothing was done: 5 mistakes in `with:`",
    )


@pytest.mark.parametrize(
    ("target", "tags", "expected"),
    [
        ("ghcr.io/a/b", None, ["ghcr.io/a/b:latest"]),
        ("ghcr.io/a/b:v1", None, ["ghcr.io/a/b:v1"]),
        ("ghcr.io/a/b:v1", "v1 latest", ["ghcr.io/a/b:v1", "ghcr.io/a/b:latest"]),
        ("ghcr.io/a/b", "sha\nmain\nlatest\n", ["ghcr.io/a/b:sha", "ghcr.io/a/b:main", "ghcr.io/a/b:latest"]),
        ("ghcr.io/a/b", "feat/x", ["ghcr.io/a/b:feat-x"]),
        (
            "ghcr.io/a/b\n# mirror\nquay.io/c/d:edge",
            "v1, v2",
            ["ghcr.io/a/b:v1", "ghcr.io/a/b:v2", "quay.io/c/d:edge", "quay.io/c/d:v1", "quay.io/c/d:v2"],
        ),
    ],
)
def test_targets_are_repositories_times_tags(target: str, tags: str | None, expected: list[str]) -> None:
    inputs = read({"target": target} | ({"tags": tags} if tags else {}))
    assert [str(each) for each in inputs.targets(Ci())] == expected


def test_two_images_in_source_are_told_where_they_go() -> None:
    (line,) = mistakes({"source": "ghcr.io/a/b:1, ghcr.io/a/c:1"})
    assert line.startswith("with.source: names 2 images")
    assert "`also`" in line
    assert "`sources`" in line


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        ({"platforms": "arm64"}, "platforms"),
        ({"platforms": "linux/arm64", "action": "delete-tag", "tags": "a", "source": ""}, "platforms"),
        ({"all-tags": "v/*"}, "all-tags"),
        ({"all-tags": "v*", "action": "delete-tag", "tags": "a", "source": ""}, "all-tags"),
        ({"all-tags": "v*", "source": "./app.tar"}, "all-tags"),
    ],
)
def test_a_part_that_cannot_be_taken_is_a_mistake(inputs: dict[str, str], key: str, checkout: Path) -> None:
    (checkout / "app.tar").touch()
    (line,) = mistakes(inputs)
    assert line.startswith(f"with.{key}: ")


SIGNED = {"verify-identity": "a@b.example", "verify-issuer": "https://c.example"}


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        ({"mark": "harbor:ok"}, "mark"),
        ({"mark": "attestation", **SIGNED}, "key"),
        ({"mark": "attestation<3d", "key-content": PRIVATE, **SIGNED}, "mark"),
        ({"mark": "attestation", "key-content": PUBLIC, **SIGNED}, "key-content"),
        ({"mark": "attestation", "key": "gone.key", **SIGNED}, "key"),
        ({"mark": "attestations", **SIGNED}, "mark"),
        ({"key-content": PRIVATE}, "key-content"),
        ({"require": "attestation"}, "require"),
        ({"require": "harbor:ok", "action": "delete-tag", "tags": "a", "source": ""}, "require"),
        ({"require": "harbor:ok", "api-url": "https://h.example"}, "api-url"),
        ({"require-attestation": "vuln<24h gone.rego", **SIGNED}, "require-attestation"),
        ({"require-attestation": "vuln a.rego b", **SIGNED}, "require-attestation"),
        ({"require-attestation": "vuln ../a.rego", **SIGNED}, "require-attestation"),
    ],
)
def test_a_mark_that_would_say_nothing_is_a_mistake(inputs: dict[str, str], key: str) -> None:
    (line,) = mistakes(inputs)
    assert line.startswith(f"with.{key}: "), line


SERVICES: dict[str, list[dict[str, Any]]] = {
    "caUrls": [{"url": "https://ca.example", "majorApiVersion": 1}],
    "rekorTlogUrls": [{"url": "https://log.example", "majorApiVersion": 1}],
    "tsaUrls": [{"url": "https://tsa.example", "majorApiVersion": 1}],
}


def token(**claims: Any) -> dict[str, str]:
    parts = {"alg": "RS256"}, {"aud": "sigstore", "sub": "x", "exp": time.time() + 600} | claims, {"s": 1}
    encoded = (base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts)
    return {"SIGSTORE_ID_TOKEN": ".".join(encoded)}


@pytest.mark.parametrize(
    ("inputs", "lacking", "key"),
    [
        ({"key-content": PRIVATE}, ("caUrls", "tsaUrls"), None),
        ({"key-content": PRIVATE}, ("rekorTlogUrls",), "signing-config"),
        ({"key-content": PRIVATE, "tlog": "false"}, ("rekorTlogUrls", "tsaUrls"), None),
        ({}, ("tsaUrls",), None),
        ({}, ("caUrls",), "signing-config"),
        ({}, ("rekorTlogUrls",), "signing-config"),
        ({"tlog": "false"}, ("rekorTlogUrls",), None),
        ({"tlog": "false"}, ("tsaUrls",), "tlog"),
        ({"tlog": "false"}, None, "tlog"),
    ],
)
@pytest.mark.parametrize("left", [{"mark": "attestation"}, {"receipt": "true"}])
def test_services_that_could_sign_nothing_are_a_mistake(
    left: dict[str, str], inputs: dict[str, str], lacking: tuple[str, ...] | None, key: str | None
) -> None:
    """They would be found once the tags have moved."""
    given = SIGNED | left | inputs
    if lacking is not None:
        services = {name: urls for name, urls in SERVICES.items() if name not in lacking}
        given |= {"signing-config": json.dumps(services)}
    if key is None:
        assert read(given, token()).mark or left.get("receipt")
    else:
        (line,) = mistakes(given, token())
        assert line.startswith(f"with.{key}: "), line


@pytest.mark.parametrize("left", [{"mark": "attestation"}, {"receipt": "true"}])
def test_services_that_no_longer_serve_are_a_mistake(left: dict[str, str]) -> None:
    retired = {**SERVICES["tsaUrls"][0], "valid_for": {"end": "2020-01-01T00:00:00Z"}}
    services = {**SERVICES, "tsaUrls": [retired]}
    (line,) = mistakes(SIGNED | left | {"key-content": PRIVATE, "signing-config": json.dumps(services)})
    assert line.startswith('with.signing-config: names no service in "tsaUrls" that is valid now'), line


@pytest.mark.parametrize("left", [{"mark": "attestation"}, {"receipt": "true"}])
def test_a_token_that_nobody_takes_is_a_mistake(left: dict[str, str]) -> None:
    for bad, why in (({"aud": "else"}, "aud: "), ({"exp": 1}, "exp: "), ({"sub": ""}, "sub: ")):
        (line,) = mistakes(SIGNED | left, token(**bad))
        assert line.startswith("with.key: ")
        assert why in line
    (line,) = mistakes(SIGNED | left, {"SIGSTORE_ID_TOKEN": "no token"})
    assert "no token" not in line
    read(SIGNED | left | {"key-content": PRIVATE}, token(aud="else"))


def test_a_plan_shows_what_is_demanded_and_marked(checkout: Path) -> None:
    given = {"require-attestation": "vuln<24h", "require-signature": "d@e.example https://f.example"}
    given |= {"mark": "attestation\nharbor:ok", "key-content": PRIVATE, "receipt": "true", **LOGIN, **SIGNED}
    given |= {"source": SOURCE, "target": TARGET, **SOURCE_LOGIN}
    variables = {f"PLUGIN_{key.upper().replace('-', '_')}": value for key, value in given.items()}
    shown = plan_run(PLUGIN, variables, checkout, Placeholders())
    assert not shown.ends
    steps = [(step.action, *step.words) for step in shown.steps]
    attested = [at for at, step in enumerate(steps) if step[:3] == ("run", "cosign", "attest")]
    tagged = [at for at, step in enumerate(steps) if step[0] == "tag"]
    assert len(attested) == 2  # the mark and the receipt
    assert min(tagged) < min(attested)


@pytest.mark.parametrize(
    ("target", "inputs", "service", "url"),
    [
        ("ghcr.io/o/a", {}, "github", "https://api.github.com"),
        ("docker.io/o/a", {}, "docker-hub", "https://hub.docker.com"),
        ("registry.gitlab.com/o/a", {}, "gitlab", "https://gitlab.com"),
        ("quay.io/o/a", {}, "quay", "https://quay.io"),
        ("r.example/o/a", {}, "registry", "https://r.example"),
        ("r.example/o/a", {"delete-through": "harbor"}, "harbor", "https://r.example"),
        ("r.example/o/a", {"delete-through": "quay"}, "quay", "https://r.example"),
        ("ghcr.io/o/a", {"delete-through": "registry"}, "registry", "https://ghcr.io"),
        (
            "r.example/o/a",
            {"delete-through": "gitlab", "api-url": "https://g.example/"},
            "gitlab",
            "https://g.example",
        ),
    ],
)
def test_whose_api_deletes_a_tag(target: str, inputs: dict[str, str], service: str, url: str) -> None:
    model = read({"source": "", "target": target, "action": "delete-tag", "tags": "a"} | inputs)
    (registry,) = model.registries
    assert (model.service(registry), model.api_of(service, registry)) == (service, url)


@pytest.mark.parametrize(
    ("inputs", "key"),
    [
        ({"delete-through": "gitlab", "action": "delete-tag", "tags": "a", "source": ""}, "api-url"),
        ({"api-url": "gitlab.example", "action": "delete-tag", "tags": "a", "source": ""}, "api-url"),
        ({"delete-through": "harbor"}, "delete-through"),
    ],
)
def test_an_api_that_cannot_be_is_a_mistake(inputs: dict[str, str], key: str) -> None:
    (line,) = mistakes(inputs)
    assert line.startswith(f"with.{key}: ")


class TestDemands:
    NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def demand(self, text: str) -> Any:
        (found,) = read({"require-attestation": text, "verify-key": PUBLIC}).require_attestation
        return found

    def test_an_attestation_has_a_type_and_may_have_an_age(self) -> None:
        assert self.demand("vuln < 24h").age == timedelta(hours=24)
        assert self.demand("slsaprovenance1<30d").age == timedelta(days=30)
        assert self.demand("https://example.com/x").age is None

    @pytest.mark.parametrize("text", ["vuln<", "<24h", "vuln<1w", "vuln>24h", "vuln 24h"])
    def test_what_is_none_is_a_mistake(self, text: str) -> None:
        (line,) = mistakes({"require-attestation": text, "verify-key": PUBLIC})
        assert line.startswith("with.require-attestation: ")

    def test_it_must_be_clear_by_whom(self) -> None:
        (line,) = mistakes({"require-attestation": "vuln"})
        assert "verify-key" in line

    @pytest.mark.parametrize(
        ("predicate", "why"),
        [
            ({"metadata": {"scanFinishedOn": "2026-05-31T12:00:01.123Z"}}, ""),
            ({"metadata": {"scanFinishedOn": "2026-05-31T12:00:00Z"}}, "is demanded"),
            ({"metadata": {"timestamp": "2026-06-01T13:00:00+02:00"}}, ""),
            ({"creationInfo": {"created": "2026-06-01T11:00:00Z"}}, ""),
            ({"runDetails": {"metadata": {"finishedOn": "2026-01-01T00:00:00Z"}}}, "is demanded"),
            ({"metadata": {"scanFinishedOn": "2027-01-01T00:00:00Z"}}, "still to come"),
            ({"metadata": 7}, "does not say when"),
            ({"Timestamp": "soon"}, "does not say when"),
            ("text", "does not say when"),
        ],
    )
    def test_its_age_is_what_it_says_itself(self, predicate: Any, why: str) -> None:
        found = ATTESTED.too_old(self.demand("vuln<24h"), (predicate,), self.NOW)
        assert (why in found) if why else not found

    def test_the_newest_of_several_counts_and_none_is_none(self) -> None:
        old, new = ({"Timestamp": f"2026-0{month}-01T11:00:00Z"} for month in (5, 6))
        assert not ATTESTED.too_old(self.demand("vuln<24h"), (old, new), self.NOW)
        assert "there is no attestation" in ATTESTED.too_old(self.demand("vuln"), (), self.NOW)

    def test_signers_are_keys_or_identities(self, checkout: Path) -> None:
        (checkout / "team.pub").write_text(PUBLIC)
        model = read({"require-signature": "team.pub\nci@example.com https://ci.example.com"})
        assert [str(each) for each in model.require_signature] == [
            "team.pub",
            "ci@example.com of https://ci.example.com",
        ]
        assert model.demands_signature
        assert mistakes({"require-signature": "a b c"})[0].startswith("with.require-signature: item 1")
        assert "no key file" in mistakes({"require-signature": "no.pub"})[0]

    def test_a_key_without_a_log_takes_no_trust_from_an_identity(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[Any] = []
        promotable = import_module(f"{PACKAGE}.promotable")
        monkeypatch.setattr(promotable, "verifier", lambda *_: None)
        monkeypatch.setattr(
            promotable, "is_verified", lambda cosign, policy, *_, **__: not asked.append(policy)
        )
        demand = {"verify-key": PUBLIC, "tlog": "false"}
        model = read(demand | {"require-signature": "ci@example.com https://ci.example.com"})
        job = SimpleNamespace(secret_file=lambda content, name: f"memory:{name}")
        (subject,) = references(f"{TARGET}@{ONE}")
        assert not list(promotable._unsigned(model, job, subject, None, insecure=False))
        assert [(each.identity, each.trusted_root, each.sct) for each in asked] == [
            ("ci@example.com", None, True)
        ]
        assert model.policy(job).trusted_root == "memory:root.json"

    def test_an_image_that_cannot_be_signed_meets_no_demand(self, checkout: Path) -> None:
        (checkout / "team.pub").write_text(PUBLIC)
        (checkout / "app.tar").touch()
        (line,) = mistakes({"source": "./app.tar", "require-signature": "team.pub"})
        assert "cannot have a signature" in line


class TestRollback:
    BACK = {"action": "rollback", "source": ""}

    def test_where_tags_were_is_the_output_of_the_promotion(self) -> None:
        tags = references(f"{TARGET}:v1", f"{TARGET}:new")
        text = MODULE.describe({tags[0]: ONE, tags[1]: None})
        assert RECEIPT.parse_previous(text) == {tags[0]: ONE, tags[1]: None}

    @pytest.mark.parametrize(
        ("inputs", "key"),
        [
            ({}, "previous"),
            ({"previous": f"{TARGET}=x"}, "previous"),
            ({"previous": f"{TARGET}:v1=x"}, "previous"),
            ({"previous": f"{TARGET}:v1"}, "previous"),
            ({"previous": f"{TARGET}:v1={ONE},{TARGET}:v1="}, "previous"),
            ({"previous": f"{TARGET}:v1={ONE}", "tags": "v1"}, "tags"),
            ({"previous": f"{TARGET}:v1={ONE}", "receipt": "true"}, "receipt"),
            ({"previous": f"{TARGET}:v1={ONE}", "source": SOURCE}, "source"),
        ],
    )
    def test_what_cannot_be_gone_back_to_is_a_mistake(self, inputs: dict[str, str], key: str) -> None:
        (line,) = mistakes(self.BACK | inputs)
        assert line.startswith(f"with.{key}: ")

    def test_only_a_rollback_takes_it(self) -> None:
        assert mistakes({"previous": f"{TARGET}:v1={ONE}"})[0].startswith("with.previous: ")


class TestADemandThatNoActionLooksAt:
    """It must not pass for one that is met."""

    TEXT, PROMOTED = f"{TARGET}:v1={ONE}", f"{TARGET}@{ONE}"
    SIGNER = (
        {"verify-key": PUBLIC},
        {"verify-identity": "me@example.com", "verify-issuer": "https://issuer.example.com"},
        {"verify-identity-regexp": ".*", "verify-issuer-regexp": ".*"},
        {"trusted-root": "{}"},
        {"tlog": "false"},
    )
    FURTHER = (
        {"require-signature": "me@example.com https://issuer.example.com"},
        {"require-attestation": "vuln"},
        {"require": "attestation"},
        {"require": "harbor:validated"},
    )

    def keys(self, inputs: dict[str, str]) -> set[str]:
        return {line.removeprefix("with.").partition(":")[0] for line in mistakes({"source": ""} | inputs)}

    @pytest.mark.parametrize("demand", [*SIGNER, *FURTHER])
    def test_a_deletion_has_none(self, demand: dict[str, str]) -> None:
        assert self.keys({"action": "delete-tag", "tags": "v1"} | demand) >= demand.keys()

    @pytest.mark.parametrize("demand", [*SIGNER, *FURTHER])
    def test_a_rollback_by_text_has_none(self, demand: dict[str, str]) -> None:
        assert self.keys({"action": "rollback", "previous": self.TEXT} | demand) >= demand.keys()

    @pytest.mark.parametrize("demand", FURTHER)
    def test_a_rollback_by_receipt_has_that_of_its_signer_alone(self, demand: dict[str, str]) -> None:
        given = {"action": "rollback", "previous": self.PROMOTED}
        assert self.keys(given | demand | self.SIGNER[0]) == demand.keys()
        assert read(given | {"source": ""} | self.SIGNER[0]).demands_signature


def test_a_target_with_a_digest_is_refused() -> None:
    assert mistakes({"target": f"{TARGET}@{ONE}"}) == [
        f'with.target: "{TARGET}@{ONE}" has a digest; give the repository, and tags'
    ]


def test_deleting_needs_the_tags_to_be_named_but_no_source() -> None:
    assert mistakes({"source": "", "action": "delete-tag"}) == [
        "with.tags: is required with action: delete-tag; name the tags"
    ]
    assert read({"source": "", "action": "delete-tag", "tags": "latest"}).source is None
    assert read({"source": "", "action": "delete-tag", "target": f"{TARGET}:failed"}).source is None
    assert mistakes({"source": ""}) == ["with.source: is required with action: push"]


def test_an_image_without_a_registry_is_the_daemons_and_never_docker_hubs() -> None:
    (line,) = mistakes({"source": "app:build-1"})
    assert line == (
        'with.source: "app:build-1" names no registry, and the job has no daemon; '
        "write `docker: true` on the job, or `docker://app:build-1` for the image on Docker Hub"
    )
    assert read({"source": "app:build-1"}, {"DOCKER_HOST": "unix:///var/run/docker.sock"})
    assert read({"source": "app:build-1", "pull": "True"})
    assert read({"source": "docker.io/library/app:build-1"})


def test_files_must_be_there_and_in_the_workspace(checkout: Path) -> None:
    os.mkfifo(checkout / "pipe.tar")
    assert mistakes({"source": "pipe.tar"}) == ['with.source: "pipe.tar" is neither a directory nor a file']
    assert mistakes({"source": "dist/app.tar"}) == [
        'with.source: there is no "dist/app.tar" in the workspace'
    ]
    assert mistakes({"source": "oci:../other"}) == [
        'with.source: "../other" is outside the workspace; give a path inside the checkout'
    ]


class TestWhatDoesNotCount:
    """What no rule about two inputs can say is refused by what they are."""

    PREVIOUS = f"{TARGET}:v1={ONE}"

    @pytest.mark.parametrize(
        ("with_", "key"),
        [
            ({"source": "oci:plugins", "pull": "true"}, "pull"),
            ({"source": f"docker://{SOURCE}", "pull": "true"}, "pull"),
            ({"source": "oci:plugins", **SOURCE_LOGIN}, "source-username"),
            ({"source": "docker-daemon:app:v1", **SOURCE_LOGIN}, "source-username"),
            ({"insecure-registries": "elsewhere:5000"}, "insecure-registries"),
            ({"action": "delete-tag", "tags": "v1"}, "source"),
            ({"action": "delete-tag", "tags": "v1", "source": "oci:plugins"}, "source"),
            ({"verify-key": PUBLIC, "mark": "harbor:LABEL", "key-content": "x"}, "key-content"),
            ({"action": "rollback", "source": "", "previous": PREVIOUS, **SOURCE_LOGIN}, "source-username"),
            ({"action": "rollback", "source": "", "previous": PREVIOUS, "flavor": "prefix=a"}, "flavor"),
        ],
    )
    def test_it_is_refused(self, with_: dict[str, str], key: str) -> None:
        assert any(line.startswith(f"with.{key}: has no effect ") for line in mistakes(with_)), mistakes(
            with_
        )

    def test_what_another_image_of_the_job_needs_counts(self) -> None:
        also = f"registry:5000/app:v1={TARGET}-too"
        read({"source": f"docker://{SOURCE}", "also": also, "pull": "true"})
        read({"also": also, "insecure-registries": "registry:5000"})


class TestIndex:
    """action: index joins images."""

    IMAGES = f"ghcr.io/org/app@{ONE}\nstaging.example/org/app@{TWO}"
    INDEX = {"action": "index", "source": "", "sources": IMAGES}

    @pytest.mark.parametrize(
        ("changed", "key", "what"),
        [
            ({"sources": ""}, "sources", "is required with action: index"),
            ({"sources": f"{TARGET}@{ONE}"}, "sources", "has one image"),
            ({"source": SOURCE}, "source", "has no effect with action: index"),
            ({"sources": f"{TARGET}@{ONE} Org/App"}, "sources", "is not an image reference"),
            ({"sources": f"{TARGET}@{ONE} oci:../x"}, "sources", "is outside the workspace"),
            ({"sources": f"{TARGET}@{ONE} oci:dist/x"}, "sources", "there is no"),
            ({"platforms": "amd64"}, "platforms", "is not a platform"),
            ({"annotations": "a=b"}, "annotations", "would change a manifest"),
            ({"annotations": "manifest:a=b"}, "annotations", "would change a manifest"),
            ({"annotations": "index,index-descriptor:a=b"}, "annotations", "would change a manifest"),
            (SOURCE_LOGIN, "source-username", "one login cannot be for ghcr.io, staging.example"),
        ],
    )
    def test_what_cannot_be_joined_is_a_mistake(self, changed: dict[str, str], key: str, what: str) -> None:
        (line,) = mistakes(self.INDEX | changed)
        assert line.startswith(f"with.{key}: ")
        assert what in line

    @pytest.mark.parametrize("key", ["sources", "annotations"])
    def test_nothing_of_it_is_passed_over_in_another_action(self, key: str) -> None:
        given = {"sources": self.IMAGES, "annotations": "index:a=b"}
        for action in ({"action": "push"}, {"action": "delete-tag", "tags": "v1", "source": ""}):
            lines = mistakes(action | {key: given[key]})
            what = f"has no effect with action: {action['action']}"
            assert f"with.{key}: {what}; leave it out" in lines

    def test_each_registry_gets_its_own_login(self) -> None:
        auths = {"staging.example": {"auth": "cmVhZGVyOnJlYWRlci1wYXNz"}}
        inputs = read(self.INDEX | LOGIN | {"docker-config": json.dumps({"auths": auths})})
        hosts = MODULE.regctl_hosts(inputs, inputs.both_credentials({}), tls)
        users = {name: host.credential.username for name, host in hosts.items()}
        assert users == {"ghcr.io": "writer", "staging.example": "reader"}

    def test_the_plan_shows_what_is_copied_before_any_tag(self, checkout: Path) -> None:
        given = self.INDEX | {"target": TARGET, "tags": "v1 latest"}
        variables = {f"PLUGIN_{key.upper()}": value for key, value in given.items()}
        planned = plan_run(PLUGIN, variables, checkout, Placeholders())
        done = [(step.action, step.words[-1]) for step in planned.steps if step.action != "look up"]
        assert ("run", f"{TARGET}@{TWO}") in done
        assert [action for action, _ in done[-2:]] == ["tag", "tag"]
        assert planned.outputs["DIGEST"] == "<digest of the index of 2 images>"


def tls(registry: object) -> bool:
    return True


class TestLogins:
    """Each login is for one host."""

    def test_the_targets_login_is_not_the_sources(self) -> None:
        logins = read(LOGIN).both_credentials({})
        assert [(each.registry.host, each.username) for each in logins.source] == [("ghcr.io", "writer")]

    def test_the_targets_login_reads_a_source_at_the_same_registry(self) -> None:
        inputs = read({"source": "ghcr.io/org/staging:rc", **LOGIN})
        logins = inputs.both_credentials({})
        hosts = MODULE.regctl_hosts(inputs, logins, tls)
        assert {name: host.credential.username for name, host in hosts.items()} == {"ghcr.io": "writer"}

    def test_two_registries_have_their_own(self) -> None:
        inputs = read(LOGIN | SOURCE_LOGIN)
        hosts = MODULE.regctl_hosts(inputs, inputs.both_credentials({}), tls)
        users = {name: host.credential.username for name, host in hosts.items()}
        assert users == {"ghcr.io": "writer", "staging.example": "reader"}

    def test_one_registry_with_two_logins_has_two_names(self) -> None:
        inputs = read({"source": "ghcr.io/org/staging:rc", **LOGIN, **SOURCE_LOGIN})
        logins = inputs.both_credentials({})
        hosts = MODULE.regctl_hosts(inputs, logins, tls)
        users = {name: (host.registry.host, host.credential.username) for name, host in hosts.items()}
        assert users == {"ghcr.io": ("ghcr.io", "writer"), "source.invalid": ("ghcr.io", "reader")}
        name = MODULE.regctl_name(inputs.source.reference, inputs, logins)
        assert str(name) == "source.invalid/org/staging:rc"
        assert next(iter(logins.targets)).username == "writer"

    def test_further_logins_come_from_a_docker_configuration(self) -> None:
        auths = {"https://index.docker.io/v1/": {"auth": "aHViOmh1Yi1wYXNz"}, "ghcr.io": {"auth": "eDp5"}}
        both = {"target": "ghcr.io/org/app docker.io/org/app", "registry": "ghcr.io"}
        logins = read(both | LOGIN | {"docker-config": json.dumps({"auths": auths})}).both_credentials({})
        users = {each.registry.host: (each.username, each.password.reveal()) for each in logins.targets}
        assert users == {"docker.io": ("hub", "hub-pass"), "ghcr.io": ("writer", "writer-password")}

    def test_one_login_for_two_registries_is_a_question(self) -> None:
        (line,) = mistakes({"target": "ghcr.io/org/app quay.io/org/app", **LOGIN})
        assert line.startswith("with.registry: is required, since the images go to ghcr.io, quay.io")

    def test_a_login_that_nobody_gets_is_a_mistake(self) -> None:
        assert mistakes({"registry": "quay.io", **LOGIN}) == [
            "with.registry: no image of the job is there; the images are at ghcr.io, staging.example"
        ]

    def test_what_is_no_docker_configuration_is_not_shown(self) -> None:
        (line,) = mistakes({"docker-config": "s3cr3t-but-no-json"})
        assert line.startswith("with.docker-config: is not a Docker config.json")
        assert "s3cr3t" not in line

    def test_regctl_knows_the_hosts_and_asks_nobody_else_for_logins(self) -> None:
        inputs = read({"target": "localhost:5000/org/app", "source": "docker.io/org/app:1", **LOGIN})
        config = json.loads(
            configuration(
                MODULE.regctl_hosts(
                    inputs, inputs.both_credentials({}), lambda registry: registry.host != "localhost:5000"
                )
            ).reveal()
        )
        assert config == {
            "incDockerCred": False,
            "hosts": {
                "localhost:5000": {
                    "hostname": "localhost:5000",
                    "tls": "disabled",
                    "user": "writer",
                    "pass": "writer-password",
                },
                "docker.io": {"hostname": "registry-1.docker.io", "tls": "enabled"},
            },
        }


class TestSignature:
    """Who must have signed."""

    def test_an_identity_needs_its_issuer_and_an_issuer_its_identity(self) -> None:
        assert mistakes({"verify-identity": "me@example.com"}) == [
            'with.verify-issuer: is required with "verify-identity"'
        ]
        assert mistakes({"verify-issuer-regexp": ".*"}) == [
            'with.verify-identity: is required with "verify-issuer"'
        ]

    def test_a_key_excludes_an_identity(self) -> None:
        identity = {"verify-identity": "me@example.com", "verify-issuer": "https://ci.example"}
        assert len(mistakes({"verify-key": PUBLIC, **identity})) == 2

    def test_a_private_key_is_refused_and_not_shown(self, checkout: Path) -> None:
        (line,) = mistakes({"verify-key": PRIVATE})
        assert line == "with.verify-key: holds a private key; to verify, give the public one, cosign.pub"
        (checkout / "cosign.key").write_text(PRIVATE)
        (line,) = mistakes({"verify-key": "cosign.key"})
        assert line == 'with.verify-key: "cosign.key" is a private key; give the public one, cosign.pub'

    def test_a_key_file_must_be_there(self) -> None:
        (line,) = mistakes({"verify-key": "cosign.pub"})
        assert line == 'with.verify-key: there is no key file "cosign.pub" in the workspace'

    @pytest.mark.parametrize("key", [PUBLIC, "awskms:///alias/release"])
    def test_a_key_may_be_text_or_in_a_kms(self, key: str) -> None:
        assert read({"verify-key": key}).demands_signature

    @pytest.mark.parametrize("source", ["docker-daemon:app:1", "app:1"])
    def test_an_image_outside_a_registry_carries_no_signature(self, source: str) -> None:
        (line,) = mistakes({"verify-key": PUBLIC, "source": source})
        assert line == f'with.source: "{source}" cannot have a signature; only an image in a registry does'


def test_immutable_tags_may_appear_and_stay_but_not_move() -> None:
    new, same, other = references("ghcr.io/a/b:v1.0.0", "ghcr.io/a/b:v1.0.1", "ghcr.io/a/b:latest")
    inputs = read({"immutable-tags": "v*.*.*"})
    assert inputs.keeps({new: None, same: ONE, other: TWO}, ONE) is None
    with pytest.raises(Findings, match=r'v1\.0\.1 is .* and must not become .* immutable-tags has "v\*'):
        read({"immutable-tags": "nope v*.*.*"}).keeps({new: None, same: ONE, other: TWO}, TWO)


def test_an_image_that_is_there_is_kept_if_that_is_wanted() -> None:
    new, there, other = references("ghcr.io/a/b:v1.0.0", "ghcr.io/a/b:v1.0.1", "ghcr.io/a/b:latest")
    inputs = read({"immutable-tags": "v*.*.*", "existing": "keep"})
    assert inputs.keeps({new: None, there: ONE, other: TWO}, ONE) is None
    assert inputs.keeps({new: None, there: ONE, other: TWO}, TWO) == ONE
    with pytest.raises(Findings, match="should name one image"):
        inputs.keeps({new: TWO, there: ONE}, TWO)


@pytest.mark.parametrize("pattern", ["v[", "v[1-", "v/*", "v:1", "[!]"])
def test_a_pattern_that_fits_no_tag_protects_nothing_and_is_refused(pattern: str) -> None:
    assert mistakes({"immutable-tags": f"{pattern} v*"}) == [
        f'with.immutable-tags: "{pattern}" matches no tag; write it as "v*.*.*" or "[0-9]*"'
    ]


@pytest.mark.parametrize("pattern", ["v*.*.*", "[0-9]*", "v?.[!0-9x_.-]", "latest"])
def test_patterns_as_fnmatch_reads_them(pattern: str) -> None:
    assert read({"immutable-tags": pattern}).immutable_tags == (pattern,)


def test_an_immutable_tag_is_not_deleted_either() -> None:
    deleted = {"action": "delete-tag", "target": f"{TARGET} quay.io/org/app", "tags": "v1.0.0 rc"}
    deleted |= {"source": "", "immutable-tags": "v*.*.*"}
    what = '"v1.0.0" is not to be deleted: immutable-tags has "v*.*.*"'
    assert mistakes(deleted) == [f"with.tags: {what}; remove the tag or the pattern"]


class Tags:
    """A registry's tags.

    Setting one of them ends with `error`, maybe after it `has_moved`; `may_delete` says whether a new one can
    go again.
    """

    def __init__(
        self,
        at: dict[str, str],
        refused: str,
        *,
        may_delete: bool = True,
        error: Error | None = None,
        has_moved: bool = False,
    ) -> None:
        self.at, self.refused, self.may_delete = dict(at), refused, may_delete
        self.error, self.has_moved = error or RegistryError("it is immutable"), has_moved

    def find(self, reference: Reference, *, assumed: str | None = None) -> Any:
        digest = self.at.get(str(reference))
        return SimpleNamespace(digest=digest) if digest else None

    def tag(self, image: Reference, tag: str) -> None:
        refused = str(image.with_tag(tag)) == self.refused
        if self.has_moved or not refused:
            self.at[str(image.with_tag(tag))] = str(image.digest)
        if refused:
            self.refused = "" if self.has_moved else self.refused
            raise self.error

    def delete_tag(self, tag: Reference) -> bool:
        self.at[str(tag)] = "an empty manifest"
        if self.may_delete:
            del self.at[str(tag)]
        return self.may_delete

    def moves(self, inputs: Any, *digests: str) -> list[Any]:
        here = SimpleNamespace(targets=self, regctl=self)
        return [
            MODULE.Move(each, here, digest) for each, digest in zip(inputs.together(), digests, strict=True)
        ]


class SilentJob:
    ci = Ci()
    cleanup = nullcontext

    def output(self, **values: str) -> None: ...

    def say(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


@pytest.mark.parametrize("refused", ["ghcr.io/org/app:v3", "ghcr.io/org/other:v1", "ghcr.io/org/other:v3"])
def test_the_tags_of_all_images_move_or_those_of_none(refused: str) -> None:
    before = {"ghcr.io/org/app:v1": TWO, "ghcr.io/org/other:v1": TWO, "ghcr.io/org/other:v2": TWO}
    tags = Tags(before, refused)
    inputs = read({"tags": "v1 v2 v3", "also": "staging.example/org/other:rc=ghcr.io/org/other"})
    with pytest.raises(RegistryError, match="it is immutable; put back: "):
        MODULE.move_tags(tags.moves(inputs, ONE, ONE), SilentJob())
    assert tags.at == before


@pytest.mark.parametrize("has_moved", [False, True])
@pytest.mark.parametrize("error", [RegistryError("answered 500"), Cancelled(15)])
def test_whatever_comes_between_no_tag_stays_moved(error: Error, has_moved: bool) -> None:
    """The answer to a request may get lost that has moved a tag; a signal may come at any time."""
    before = {"ghcr.io/org/app:v1": TWO, "ghcr.io/org/app:v3": TWO}
    tags = Tags(before, "ghcr.io/org/app:v3", error=error, has_moved=has_moved)
    with pytest.raises(type(error)):
        MODULE.move_tags(tags.moves(read({"tags": "v1 v2 v3"}), ONE), SilentJob())
    assert tags.at == before


def test_a_tag_that_another_job_moved_meanwhile_is_not_put_back() -> None:
    tags = Tags({"ghcr.io/org/app:v1": TWO}, "ghcr.io/org/app:v2")
    move, *_ = tags.moves(read({"tags": "v1"}), ONE)
    (target,) = references("ghcr.io/org/app:v1")
    made = TagMoves(str)
    made.make(move.of_tag(target, TWO))
    tags.at[str(target)] = f"sha256:{'3' * 64}"
    assert MODULE.put_back(made) == "no tag has moved"
    assert tags.at[str(target)] == f"sha256:{'3' * 64}"


def test_a_new_tag_that_cannot_be_deleted_keeps_the_image_and_is_told() -> None:
    tags = Tags({}, "ghcr.io/org/app:v2", may_delete=False)
    with pytest.raises(RegistryError, match=r"by hand: ghcr\.io/org/app:v1$"):
        MODULE.move_tags(tags.moves(read({"tags": "v1 v2"}), ONE), SilentJob())
    assert tags.at == {"ghcr.io/org/app:v1": ONE}


def test_nothing_to_put_back_is_said_too() -> None:
    with pytest.raises(RegistryError, match=r"no tag has moved$"):
        MODULE.move_tags(Tags({}, "ghcr.io/org/app:v1").moves(read({"tags": "v1 v2"}), ONE), SilentJob())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ghcr.io/org/other:rc", 'item 1: "ghcr.io/org/other:rc" has no target'),
        ("Org/Other=ghcr.io/org/other", 'item 1: "Org/Other" is not an image reference'),
        (f"{SOURCE}=ghcr.io/org/other@{ONE}", f'item 1: "ghcr.io/org/other@{ONE}" has a digest'),
        ("./none.tar=ghcr.io/org/other", 'item 1: there is no "./none.tar" in the workspace'),
    ],
)
def test_a_further_image_is_checked_as_the_first_is(line: str, said: str) -> None:
    (found,) = mistakes({"also": line})
    assert found.startswith(f"with.also: {said}")


def test_a_record_of_where_tags_pointed_is_one_line() -> None:
    moved, new = references("ghcr.io/a/b:v1", "ghcr.io/a/b:v2")
    assert MODULE.describe({moved: ONE, new: None}) == f"ghcr.io/a/b:v1={ONE},ghcr.io/a/b:v2="


def test_targets_of_the_run() -> None:
    rules = "type=ref,event=branch\ntype=semver,pattern={{version}}"
    inputs = read({"target": "ghcr.io/a/b\nquay.io/c/d:edge", "tags": rules}, env={"CI_BRANCH": "feat/x"})
    assert [str(each) for each in inputs.targets(Ci(branch="feat/x"))] == [
        "ghcr.io/a/b:feat-x",
        "quay.io/c/d:edge",
        "quay.io/c/d:feat-x",
    ]


def test_a_target_without_a_tag_needs_one_of_the_run() -> None:
    rules = {"tags": "type=ref,event=tag"}
    (line,) = mistakes(rules | {"target": "ghcr.io/a/b"}, env={"CI_BRANCH": "main"})
    assert line.startswith("with.tags: no line makes a tag in this run")
    read(rules | {"target": "ghcr.io/a/b:v1"}, env={"CI_BRANCH": "main"})


def test_a_tag_of_the_run_is_not_deleted_where_it_is_immutable() -> None:
    (line,) = mistakes(
        {"action": "delete-tag", "source": "", "tags": "type=ref,event=branch", "immutable-tags": "main"},
        env={"CI_BRANCH": "main"},
    )
    assert line.startswith('with.tags: "main" is not to be deleted')


def test_an_error_names_the_registry_which_stands_in_the_tools_configuration_too(
    run_plugin: PluginRunner, fake_tools: FakeTools, workspace: Path
) -> None:
    fake_tools.add("regctl", exit_code=1)
    (workspace / "app").mkdir()
    (workspace / "app" / "index.json").write_text(f'{{"manifests": [{{"digest": "sha256:{"a" * 64}"}}]}}')
    with_ = {"source": "oci:app", "target": "registry.invalid:5000/team/app"}
    assert "registry.invalid:5000" in run_plugin(FOLDER, with_).exited(3).errors[-1]


def test_a_path_may_have_blanks_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my image").mkdir()
    for source in ("oci:my image", "oci:my image:one", "./my image"):
        assert read({"source": source}).source.path.endswith("my image")
    assert "names 2 images" in mistakes({"source": "oci:other image"})[0]


def test_an_annotation_that_everybody_can_read_holds_no_secret() -> None:
    index = {"source": "", "sources": f"{SOURCE}1 {SOURCE}2", "action": "index"}
    (line,) = mistakes(index | {"annotations": "index:a=hunter2hunter2"}, {"A_TOKEN": "hunter2hunter2"})
    assert line.startswith("with.annotations: item 1 holds a secret of the job")


def test_an_annotation_of_an_index_has_no_expression() -> None:
    index = {"source": "", "sources": f"{SOURCE}1 {SOURCE}2", "action": "index"}
    (line,) = mistakes(index | {"annotations": "index:a={{sha}}"})
    assert line.startswith("with.annotations: item 1 has")
