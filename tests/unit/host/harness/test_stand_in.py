"""A throw-away registry in place of a hard-coded host: which inputs and logins change, and which stay."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.host.harness.plugin_pipelines import CHAIN, prepared, uses

from gocdnext_sdk.contract import keys
from gocdnext_sdk.errors import UsageError
from gocdnext_sdk.host.harness import LocalRegistry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.memory import MemoryContainer, MemoryEngine
from gocdnext_sdk.host.harness.issuer import SigningKey
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.harness.options import NewRegistry
from gocdnext_sdk.host.harness.stand_in import StandIn, is_meant, login_secrets
from gocdnext_sdk.host.lint.view import Use
from gocdnext_sdk.host.manifest.facts import Facts
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest
from gocdnext_sdk.host.pipeline import PipelineError, parse_text, revision
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Plugin, Value
from gocdnext_sdk.host.pipeline.modes import DOCKER, MODES, Mode
from gocdnext_sdk.inputs.facts import Publishes
from gocdnext_sdk.inputs.model import PluginInputs

APP = "ghcr.io/org/app"
HERE = "localhost:5000"
STAND_IN = StandIn(HERE, "harness", "throw-away-password", frozenset({APP, f"{APP}/cache"}))
LOGIN = ("registry", "username", "password", "logins")


def builder(*inputs: str) -> Manifest:
    """A plugin with a manifest that somebody wrote by hand: no rule holds its inputs to portable names."""
    return Manifest(
        name="builder",
        inputs=tuple(InputSpec(name=each, type="string", description="…") for each in inputs),
        facts=Facts(publishes=Publishes("image"), caches=("cacheRepo",)),
    )


def applied(
    given: dict[str, str],
    manifest: Manifest | None = None,
    mode: Mode = DOCKER,
    stand_in: StandIn = STAND_IN,
) -> dict[str, str]:
    """Return a job's variables, by input, with the registry in place of what it stands in for."""
    mark = Mark("a.yaml", 1, 1)
    inputs = {key: Value(text, mark) for key, text in given.items()}
    manifest = manifest or builder("image", "cacheRepo", *LOGIN)
    use = Use("it", Plugin("builder:v1", inputs, Value("builder@v1", mark)), manifest, PluginInputs, None, ())
    environ = {keys.variable(key, mode.transform): text for key, text in given.items()}
    return stand_in.applied({**environ, "APP": APP}, use, mode)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_an_input_is_known_by_the_name_that_its_mode_gives_it(mode: Mode) -> None:
    found = applied({"image": APP, "cacheRepo": f"{APP}/cache"}, mode=mode)
    assert found[keys.variable("cacheRepo", mode.transform)] == f"{HERE}/{APP}/cache"
    assert found[keys.variable("username", mode.transform)] == "harness"
    assert found["APP"] == APP
    assert {name for name in found if "CACHE" in name} == {keys.variable("cacheRepo", mode.transform)}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (APP, f"{HERE}/{APP}"),
        (f"{APP}:v1", f"{HERE}/{APP}:v1"),
        (f"{APP}@sha256:{'0' * 64}", f"{HERE}/{APP}@sha256:{'0' * 64}"),
        (f"docker://{APP}:v1", f"docker://{HERE}/{APP}:v1"),
        (f"type=registry,ref={APP}/cache:x,mode=max", f"type=registry,ref={HERE}/{APP}/cache:x,mode=max"),
        (f"{APP}:v1\nquay.io/org/app:v1", f"{HERE}/{APP}:v1\nquay.io/org/app:v1"),
        (f"{APP}-other:v1", f"{APP}-other:v1"),
        (f"mirror.example/{APP}:v1", f"mirror.example/{APP}:v1"),
        (f"./{APP}", f"./{APP}"),
    ],
)
def test_of_a_text_only_the_replaced_repositories_change(written: str, found: str) -> None:
    assert applied({"image": written})["PLUGIN_IMAGE"] == found


def test_a_port_becomes_part_of_a_path() -> None:
    stand_in = replace(STAND_IN, repositories=frozenset({"quay.example:8443/org/app", "docker.io/org/app"}))
    image = {"image": "quay.example:8443/org/app, org/app:v1"}
    found = applied(image, stand_in=stand_in)["PLUGIN_IMAGE"]
    assert found == f"{HERE}/quay.example-8443/org/app, {HERE}/docker.io/org/app:v1"


def test_a_job_is_logged_in_where_its_image_now_is() -> None:
    mine = {"registry": "ghcr.io", "username": "me", "password": "my-token"}
    found = applied({"image": APP, **mine, "logins": "ghcr.io me TOKEN\nquay.io me OTHER"})
    login = {key: found[f"PLUGIN_{key.upper()}"] for key in LOGIN}
    assert login == {
        "registry": HERE,
        "username": "harness",
        "password": "throw-away-password",
        "logins": "quay.io me OTHER",
    }
    assert "PLUGIN_REGISTRY" not in applied({"image": APP})  # the image says where


def test_a_plugin_that_takes_no_login_is_given_none() -> None:
    found = applied({"image": APP}, builder("image", "cacheRepo"))
    assert found == {"PLUGIN_IMAGE": f"{HERE}/{APP}", "APP": APP}


def test_a_login_for_another_host_stays_and_the_stand_ins_is_added() -> None:
    given = {"image": "quay.io/org/app", "cacheRepo": f"{APP}/cache", "password": "for-quay"}
    found = applied({**given, "logins": "ghcr.io me TOKEN"})
    assert found["PLUGIN_PASSWORD"] == "for-quay"
    assert found["PLUGIN_LOGINS"] == f"{HERE} harness REGISTRY_PASSWORD"
    assert found["REGISTRY_PASSWORD"] == "throw-away-password"


def test_a_job_that_names_nothing_of_it_is_left_alone() -> None:
    given = {"image": "quay.io/org/app", "username": "me", "password": "x", "logins": "ghcr.io me TOKEN"}
    assert applied(given) == {"APP": APP, **{f"PLUGIN_{key.upper()}": text for key, text in given.items()}}


@pytest.mark.parametrize(
    ("host", "hosts", "meant"),
    [
        ("ghcr.io", ["ghcr.io"], True),
        ("ghcr.io", ["quay.io", "all"], True),
        ("docker.io", ["index.docker.io"], True),
        ("ghcr.io", ["quay.io"], False),
        ("ghcr.io", [], False),
    ],
)
def test_a_host_is_meant_by_any_of_its_names_or_by_all(host: str, hosts: list[str], meant: bool) -> None:
    assert is_meant(host, hosts) is meant


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (
            {"username": "${{ ME }}", "password": "${{ TOKEN }}"},
            [("ME", "username"), ("TOKEN", "password")],
        ),
        ({"username": "me", "password": " ${{TOKEN}} "}, [("TOKEN", "password")]),
        ({"password": "x${{ TOKEN }}"}, []),
        ({"password": "${{ VARIABLE }}"}, []),
        ({"image": "${{ TOKEN }}"}, []),
    ],
)
def test_a_login_is_a_secret_that_is_the_whole_of_an_input(
    inputs: dict[str, str], found: list[tuple[str, str]]
) -> None:
    written = f"{{stage: a, uses: one/it@v1, secrets: [ME, TOKEN], with: {json.dumps(inputs)}}}"
    (job,) = parse_text(f"stages: [a]\njobs: {{it: {written}}}").jobs
    assert list(login_secrets(job)) == found


RECIPE = Path(__file__).parents[4] / "examples" / "recipe" / "release.yaml"
REGISTRY = LocalRegistry("registry", 5000, "harness", "throw-away-password")
SIGSTORE = LocalSigstore(
    "sigstore", "container:registry", "gocdnext.test", SigningKey.generate(), {"a": "config"}, {"a": "root"}
)
KEY = {"COSIGN_PRIVATE_KEY": "key-of-the-user", "COSIGN_PASSWORD": "password-of-the-key"}
MINE = {"GHCR_USERNAME": "me", "GHCR_TOKEN": "token-of-the-user"}


def recipe(engine: MemoryEngine, project: Path, **options: Any) -> RunReport:
    file = project / ".gocdnext" / "release.yaml"
    file.write_text(RECIPE.read_text())
    with Session(engine) as session:
        options = {"registry": REGISTRY, "sigstore": SIGSTORE, **options}
        return run_pipeline(file, RunOptions(**options), session=session)


def test_the_published_recipe_runs_against_the_stand_in_with_its_login(
    engine: MemoryEngine, clone: Path
) -> None:
    seen: dict[str, dict[str, str]] = {}

    def note(container: MemoryContainer) -> None:
        seen[container.spec.image.rpartition("-")[2]] = dict(container.env)
        container.print(f"{container.env['PLUGIN_PASSWORD']}\n")

    for name in ("buildx", "trivy", "cosign"):
        engine.behaviours[f"ghcr.io/klinux/gocdnext-plugin-{name}:v1"] = note
    engine.networks[REGISTRY.container] = ["net"]
    (clone / ".gocdnext").mkdir()
    report = recipe(engine, clone, registry_for=("ghcr.io",), secrets=KEY)
    assert report.passed
    image = "localhost:5000/ghcr.io/klinux/myapp"
    sha = revision.read(clone).sha[:8]
    assert seen["buildx:v1"]["PLUGIN_IMAGE"] == image
    assert seen["trivy:v1"]["PLUGIN_TARGET"] == f"{image}:{sha}"
    assert seen["cosign:v1"]["PLUGIN_IMAGE"] == f"{image}:{sha}"
    # It would have signed by the public Sigstore, whose log keeps that for ever.
    assert json.loads(seen["cosign:v1"]["PLUGIN_SIGNING_CONFIG"]) == SIGSTORE.signing_config
    assert json.loads(seen["cosign:v1"]["PLUGIN_TRUSTED_ROOT"]) == SIGSTORE.trusted_root
    for each in seen.values():
        assert (each["PLUGIN_USERNAME"], each["PLUGIN_PASSWORD"]) == (REGISTRY.username, REGISTRY.password)
        assert each["GHCR_TOKEN"] == REGISTRY.password
        assert "ghcr.io" not in {each.get("PLUGIN_REGISTRY"), each["GHCR_USERNAME"]}
    assert seen["buildx:v1"]["PLUGIN_REGISTRY"] == "localhost:5000"
    assert seen["buildx:v1"]["PLUGIN_CACHE_FROM"] == "type=gha,scope=myapp"
    assert REGISTRY.password not in report["build"].text
    assert not engine.calls.count("create_network")


def test_the_users_own_login_never_reaches_a_job_of_the_stand_in(engine: MemoryEngine, clone: Path) -> None:
    engine.networks[REGISTRY.container] = ["net"]
    (clone / ".gocdnext").mkdir()
    assert recipe(engine, clone, registry_for=("all",), secrets={**KEY, **MINE}).passed
    given = {value for box in engine.containers.values() for value in box.env.values()}
    assert not given & set(MINE.values())


def test_what_others_published_stays_where_it_is(project: Path) -> None:
    text = uses("buildx", image="ghcr.io/org/app", cache_from="ghcr.io/org/app:cache\\nghcr.io/them/cache")
    text = text.replace("with: {", 'with: {build-contexts: "base=docker-image://ghcr.io/them/base", ')
    found = prepared(project, text, registry=NewRegistry(), registry_for=("ghcr.io",))
    assert found.replaced_repositories == {"ghcr.io/org/app"}
    assert not found.publications


def test_a_host_without_publications_and_a_missing_registry_are_mistakes(project: Path) -> None:
    text = uses("buildx", image="ghcr.io/org/app")
    with pytest.raises(UsageError, match=r"they publish to ghcr\.io"):
        prepared(project, text, registry=NewRegistry(), registry_for=("quay.io",))
    with pytest.raises(UsageError, match="registry"):
        prepared(project, text, registry_for=("ghcr.io",))


def test_a_login_at_another_host_is_still_needed(project: Path) -> None:
    text = CHAIN.replace(
        'target: "quay.io/org/app:v1"}',
        'target: "quay.io/org/app:v1", username: me, password: "${{ TOKEN }}"}\n    secrets: [TOKEN]',
    )
    with pytest.raises(PipelineError, match="TOKEN"):
        prepared(project, text % "ghcr.io/org/app", registry=NewRegistry(), registry_for=("ghcr.io",))
    options: dict[str, Any] = {
        "registry": NewRegistry(),
        "registry_for": ("ghcr.io",),
        "secrets": {"TOKEN": "x"},
    }
    (left,) = prepared(project, text % "ghcr.io/org/app", **options).publications
    assert left.image == "quay.io/org/app"


def test_an_image_of_the_stand_in_is_read_with_its_login_beside_that_of_the_target(
    engine: MemoryEngine, project: Path
) -> None:
    engine.networks[REGISTRY.container] = ["net"]
    file = project / ".gocdnext" / "test.yaml"
    promote = CHAIN.replace('v1"}', 'v1", username: me, password: "${{ TOKEN }}"}\n    secrets: [TOKEN]')
    file.write_text(promote % "ghcr.io/org/app")
    reference = "REFERENCE=localhost:5000/ghcr.io/org/app\nDIGEST=x\n"
    engine.behaviours["gocdnext-plugin-buildx:v1"] = lambda box: box.set_outputs(reference)
    options = RunOptions(
        registry=REGISTRY, registry_for=("ghcr.io",), publish=True, secrets={"TOKEN": "mine"}
    )
    with Session(engine) as session:
        report = run_pipeline(file, options, session=session)
    assert report.passed
    (box,) = (each for each in engine.containers.values() if "docker-push" in each.spec.image)
    assert box.env["PLUGIN_PASSWORD"] == "mine"
    assert box.env["PLUGIN_TARGET"] == "quay.io/org/app:v1"
    assert box.env["PLUGIN_LOGINS"] == "localhost:5000 harness REGISTRY_PASSWORD"
    assert box.env["REGISTRY_PASSWORD"] == REGISTRY.password
    (box,) = (each for each in engine.containers.values() if "cosign" in each.spec.image)
    assert (box.env["PLUGIN_USERNAME"], box.env["PLUGIN_PASSWORD"]) == ("harness", REGISTRY.password)
