"""Who issues identity tokens in a local run, and what jobs get."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk.errors import DaemonError
from gocdnext_sdk.host.harness import RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.issuer import SigningKey
from gocdnext_sdk.host.harness.local_sigstore import HOST, LocalSigstore
from gocdnext_sdk.host.pipeline import PipelineError, Revision, Run
from local_sigstore.tokens import Issuer

SIGN = """
name: release
stages: [a]
jobs:
  sign:
    stage: a
    uses: one/sign@v1
    id_tokens:
      SIGSTORE_ID_TOKEN: {aud: sigstore}
      VAULT: {aud: [vault, other]}
    with: {issuer: "${SIGSTORE_ISSUER}", root: "${SIGSTORE_TRUSTED_ROOT}"}
"""


IMAGE = "one/sigstore:v1"


@pytest.fixture(autouse=True)
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOCDNEXT_SIGSTORE_IMAGE", IMAGE)


def running() -> LocalSigstore:
    return LocalSigstore("", "theirs", HOST, SigningKey.generate(), {}, {})


def run(engine: Any, project: Path, **options: Any) -> RunReport:
    file = project / ".gocdnext" / "test.yaml"
    file.write_text(SIGN)
    with Session(engine) as session:
        return run_pipeline(file, RunOptions(**options), session=session)


def test_a_job_gets_its_tokens_and_the_log_never_does(engine: Any, project: Path) -> None:
    sigstore, given = running(), {}

    def sign(box: Any) -> None:
        given.update(box.env)
        box.print(f"{box.env['SIGSTORE_ID_TOKEN']} {box.env['VAULT']}\n")

    engine.behaviours["one/sign:v1"] = sign
    own = Run(revision=Revision("a" * 40, "main"), cause="webhook", project_slug="shop")
    report = run(engine, project, sigstore=sigstore, run=own, network="theirs")
    assert report.passed
    issuer = Issuer(sigstore.issuer, sigstore.key.jwks())
    claims = issuer.verify(given["SIGSTORE_ID_TOKEN"])
    assert claims["sub"] == "project:shop:pipeline:release:ref_type:branch:ref:main"
    assert (claims["job"], claims["run_id"]) == ("sign", own.id)
    assert Issuer(issuer.url, issuer.jwks, audience="other").verify(given["VAULT"])
    assert given["PLUGIN_ISSUER"] == "http://gocdnext.test"
    assert report["sign"].text.endswith("\n*** ***\n")


def test_without_a_slug_the_project_is_called_like_its_folder(engine: Any, project: Path) -> None:
    subjects = []
    sigstore = running()
    issuer = Issuer(sigstore.issuer, sigstore.key.jwks())
    engine.behaviours["one/sign:v1"] = lambda box: subjects.append(
        issuer.verify(box.env["SIGSTORE_ID_TOKEN"])["project_slug"]
    )
    shop = project.rename(project.with_name("My_Shop 2"))
    assert run(engine, shop, sigstore=sigstore, network="theirs").passed
    assert subjects == ["my-shop-2"]


def test_without_an_issuer_a_pipeline_says_what_to_pass(engine: Any, project: Path) -> None:
    with pytest.raises(PipelineError) as caught:
        run(engine, project)
    (line,) = caught.value.lines()
    assert "job `sign` needs an identity token (SIGSTORE_ID_TOKEN, VAULT)" in line
    assert "--sigstore" in line
    assert engine.containers == {}


def test_a_sigstore_that_ends_at_once_says_why(engine: Any) -> None:
    engine.behaviours[IMAGE] = lambda box: 1
    engine.is_running = lambda container: not engine.containers[container].ended.wait(10)
    engine.logs = lambda container: "no room left"
    with Session(engine) as session, pytest.raises(DaemonError, match="exited immediately:\nno room left"):
        session.start_sigstore()


def test_a_sigstore_is_ready_once_it_hands_over_its_documents(engine: Any) -> None:
    asked = threading.Event()

    def logs(container: str) -> str:
        if not asked.is_set():
            asked.set()
            return "starting\n"
        return 'starting\n{"signing_config": {"a": 1}, "trusted_root": {"b": 2}}\n'

    engine.behaviours[IMAGE] = lambda box: None
    engine.is_running, engine.logs = lambda container: True, logs
    with Session(engine) as session:
        engine.networks["registry"] = ["theirs"]
        found = session.start_sigstore("container:registry", "other.test")
        (spec,) = [box.spec for box in engine.containers.values()]
    assert (found.signing_config, found.trusted_root) == ({"a": 1}, {"b": 2})
    assert (found.network, found.issuer) == ("container:registry", "http://other.test")
    assert (spec.network, spec.aliases, spec.ports) == ("theirs", ("other.test",), ())
    assert "PRIVATE" not in str(spec.env)
