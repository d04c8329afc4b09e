"""`job.http`: real requests to a service on this machine, and what a message may say of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning import Placeholders, RunPlan, plan_run
from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.host.testing.web import LocalWeb, local_web

SOURCE = '''
from pathlib import Path
from gocdnext_sdk import *

class Inputs(PluginInputs):
    url: Secret = Input(description="The webhook.")
    open: str = Input("", description="A URL that is not secret.")
    token: Secret | None = Input(None, description="A token.")
    act: str = Input("post", description="What to do.")

class Notify(Plugin[Inputs]):
    """Notifies."""

    name = "gocdnext-plugin-notify"
    inputs = Inputs
    outputs = {"ID": "Of the message."}

    def run(self, inputs, job):
        headers = {"Private-Token": inputs.token} if inputs.token else {}
        match inputs.act:
            case "post":
                job.http("POST", inputs.url, json={"text": "done"})
            case "read":
                return {"ID": str(job.http("POST", inputs.url, json={}, assumed={"id": 7}).json()["id"])}
            case "unknown":
                return {"ID": str(job.http("POST", inputs.url, json={}).json()["id"])}
            case "get":
                answer = job.http("GET", inputs.open, headers=headers, bearer=inputs.token, ok={200, 404})
                return {"ID": str(answer.status)}
            case "upload":
                job.http("PUT", inputs.open, body=Path("app.bin"), headers={"Content-Type": "x/y"})
            case "print":
                print("told", inputs.url.reveal().partition("//")[2], inputs.url.reveal().rpartition("/")[2])
            case "resolve":
                import socket
                socket.getaddrinfo("very-secret-host.example", 443)
        return {}

if __name__ == "__main__":
    Notify.main()
'''
SECRET = "/services/T0ABCDEF/B0123456/xyzSECRETxyzSECRET"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "notify"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    return folder


@pytest.fixture
def other() -> Iterator[LocalWeb]:
    with local_web("127.0.0.2") as web:
        yield web


def plan(folder: Path, environ: dict[str, str], workspace: Path, secret: str = "") -> RunPlan:
    shown = Placeholders()
    given = {"PLUGIN_URL": shown.secret(secret, "secret SLACK") if secret else shown.text("secret SLACK")}
    return plan_run(load_plugin(folder), given | environ, workspace, shown)


def test_a_webhook_is_told_and_its_address_is_in_no_record(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    result = run_plugin(plugin, {"url": gocdnext_web.url + SECRET}).passed()
    (received,) = gocdnext_web.received
    assert (received.method, received.path, received.json()) == ("POST", SECRET, {"text": "done"})
    assert received.headers["content-type"] == "application/json"
    (call,) = result.requests
    assert (call.method, call.url, call.json()) == ("POST", "***", {"text": "done"})


@pytest.mark.parametrize("port", ["9", "closed"])
def test_a_service_that_is_not_there_is_named_without_what_is_secret(
    plugin: Path, run_plugin: PluginRunner, port: str
) -> None:
    with local_web() as gone:
        url = gone.url if port == "closed" else "http://127.0.0.1:9"
    result = run_plugin(plugin, {"url": url + SECRET}).exited(3)
    assert "error: POST 127.0.0.1: Connection refused" in result.log


def test_a_refusal_is_told_with_the_services_own_word(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    gocdnext_web.answer(404, "no_team\n")
    result = run_plugin(plugin, {"url": gocdnext_web.url + SECRET}).exited(3)
    assert "error: POST 127.0.0.1: answered 404 Not Found: no_team" in result.log
    gocdnext_web.answer(500, f"<html>{SECRET}</html>", Content_Type="text/html")
    gocdnext_web.answer(500, f"<html>{SECRET}</html>", Content_Type="text/html")
    result = run_plugin(plugin, {"url": gocdnext_web.url + SECRET}).exited(3)
    assert "html" not in result.log


def test_what_may_have_been_taken_is_not_sent_again(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    gocdnext_web.answer(502)
    run_plugin(plugin, {"url": gocdnext_web.url + SECRET}).exited(3)
    assert len(gocdnext_web.received) == 1


def test_a_busy_service_is_asked_again(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    for status in (503, 429, 200):
        gocdnext_web.answer(status, Retry_After="0")
    run_plugin(plugin, {"url": gocdnext_web.url + SECRET}).passed()
    gocdnext_web.answer(502)
    gocdnext_web.answer(200)
    run_plugin(plugin, {"url": "x" * 9, "act": "get", "open": gocdnext_web.url}).passed()
    assert [each.method for each in gocdnext_web.received] == ["POST"] * 3 + ["GET"] * 2


def test_credentials_stay_with_their_host(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb, other: LocalWeb
) -> None:
    gocdnext_web.answer(302, Location=f"{other.url}/there")
    other.answer(404)
    token = "t0k3n-t0k3n-t0k3n"
    result = run_plugin(
        plugin, {"url": "x" * 9, "act": "get", "open": gocdnext_web.url, "token": token}
    ).passed()
    assert result.outputs == {"ID": "404"}
    (first,), (second,) = gocdnext_web.received, other.received
    assert (first.headers["authorization"], first.headers["private-token"]) == (f"Bearer {token}", token)
    assert not {"authorization", "private-token"} & {*second.headers}


def test_a_file_is_sent_as_it_is_and_again_from_its_beginning(
    plugin: Path, run_plugin: PluginRunner, workspace: Path, gocdnext_web: LocalWeb
) -> None:
    content = bytes(range(256)) * 4096
    (workspace / "app.bin").write_bytes(content)
    gocdnext_web.answer(503, Retry_After="0")
    gocdnext_web.answer(201)
    result = run_plugin(plugin, {"url": "x" * 9, "act": "upload", "open": gocdnext_web.url}).passed()
    assert [each.body == content for each in gocdnext_web.received] == [True, True]
    assert result.requests[0].body == "app.bin"


def test_an_answer_that_is_not_json_is_a_failure_of_the_service(
    plugin: Path, run_plugin: PluginRunner, gocdnext_web: LocalWeb
) -> None:
    gocdnext_web.answer(200, "ok")
    result = run_plugin(plugin, {"url": gocdnext_web.url + SECRET, "act": "read"}).exited(3)
    assert "answered 200 with something that is not JSON" in result.log


@pytest.mark.parametrize(
    "url", ["nothing", "ftp://example.com/x/y/z/abc", "https://", "http://[::1", "http://a b/"]
)
def test_what_is_no_address_is_one_line(plugin: Path, run_plugin: PluginRunner, url: str) -> None:
    result = run_plugin(plugin, {"url": "x" * 9, "act": "get", "open": url}).exited(3)
    assert len(result.errors) == 1
    assert "Traceback" not in result.log


@pytest.mark.parametrize(
    "url",
    [
        f"https://hooks.slack.com{SECRET}",
        "https://discord.com/api/webhooks/123456789012345678/AbCdEfGhIjKlMnOpQrStUvWxYz",
        "https://org.webhook.office.com/webhookb2/0123-4567@89ab/IncomingWebhook/cdef0123/4567-89ab",
        "https://user-of-it:pass-of-it@example.com/hook/x?token=abcdefgh1234&thread=12345678",
    ],
)
def test_every_part_of_a_secret_address_is_masked(
    plugin: Path, run_plugin: PluginRunner, workspace: Path, url: str
) -> None:
    result = run_plugin(plugin, {"url": url, "act": "print"}).passed()
    path = url.partition("//")[2].partition("/")[2]
    assert path not in result.log
    assert path.rpartition("/")[2] not in result.log
    planned = plan(plugin, {"PLUGIN_ACT": "print"}, workspace, url)
    assert path not in json.dumps(planned.as_dict())


def test_a_plan_shows_the_request_and_sends_none(
    plugin: Path, workspace: Path, gocdnext_web: LocalWeb
) -> None:
    for secret in ("", gocdnext_web.url + SECRET):
        planned = plan(plugin, {}, workspace, secret)
        assert [(step.action, step.words) for step in planned.steps] == [
            ("request", ("POST", "<secret SLACK>"))
        ]
        assert planned.ends == ""
        assert plan(plugin, {"PLUGIN_ACT": "read"}, workspace, secret).outputs == {"ID": "7"}
        unknown = plan(plugin, {"PLUGIN_ACT": "unknown"}, workspace, secret)
        assert unknown.ends == "what follows depends on the answer to `POST <secret SLACK>`"
    assert gocdnext_web.received == []


def test_a_plan_looks_no_name_up(plugin: Path, workspace: Path) -> None:
    planned = plan(plugin, {"PLUGIN_ACT": "resolve"}, workspace)
    assert planned.ends.startswith("run() opens a network connection by itself")
