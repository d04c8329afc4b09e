"""What a whole run prints holds no eight characters of a secret, however it came into the text."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from gocdnext_sdk.host.testing import PluginRunner, Result
from gocdnext_sdk.host.testing.run import YamlValue
from gocdnext_sdk.host.testing.web import LocalWeb
from gocdnext_sdk.runtime.pieces import PIECE

SOURCE = '''
"""A plugin that says what it is told to."""
import os, sys
from urllib.parse import unquote
from gocdnext_sdk import *

class Inputs(RegistryLoginInputs):
    do: str = Input("print", description="What to do.")
    text: str = Input("", description="What to say.")
    image: str = Input("ghcr.io/org/app:v1", description="What to look up.")

    def image_registries(self, environ, workspace):
        return (Reference.parse(self.image).registry,)

class Teller(Plugin[Inputs]):
    """Says it."""

    name = "gocdnext-plugin-teller"
    inputs = Inputs

    def run(self, inputs, job):
        match inputs.do:
            case "say": job.say(f"near {inputs.text}")
            case "warn": job.warn(f"near {inputs.text}")
            case "group":
                with job.group(f"near {inputs.text}"): pass
            case "summary": job.summary(["what"], [[f"near {inputs.text}"]])
            case "fail": raise ToolError(f"near {inputs.text}")
            case "crash": raise KeyError(f"near {inputs.text}")
            case "get": job.http("GET", inputs.text, seconds=3)
            case "http": job.http("GET", "https://service.example/x", seconds=3)
            case "secret-url": job.http("GET", Secret(os.environ["HOOK"]), seconds=3)
            case "registry":
                image = Reference.parse(inputs.image)
                job.registry(inputs.credentials(image.registry)).resolve(image)
            case "proxies":
                for name, value in job.environ.items():
                    if name.endswith("_proxy"):
                        print("proxyconnect:", value, unquote(value), value.partition(":")[2])
        return {}

if __name__ == "__main__":
    Teller.main()
'''


@pytest.fixture
def teller(tmp_path: Path) -> Path:
    folder = tmp_path / "teller"
    folder.mkdir()
    (folder / "plugin.py").write_text(SOURCE)
    return folder


def pieces_left(result: Result, secret: str) -> list[str]:
    pieces = (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1))
    return [piece for piece in pieces if piece in result.log]


NO_URL = [
    "user:Zq8vT4mKp2Lx9Rw7/Nc3Y5Bd6",
    "user:Zq8vT4mKp2Lx9Rw7#Nc3Y5Bd6",
    "user:Zq8vT4mKp2Lx9Rw7?Nc3Y5Bd6",
    "user:1234/Zq8vT4mKp2Lx9Rw7Nc3Y5Bd6",
    "Zq8vT4mKp2/Lx9Rw7Nc3Y5Bd6",
]


class TestTheAddressOfAProxy:
    @pytest.mark.parametrize("do", ["http", "registry"])
    @pytest.mark.parametrize("userinfo", NO_URL)
    def test_one_that_is_no_url_is_told_without_its_password(
        self, run_plugin: PluginRunner, teller: Path, do: str, userinfo: str
    ) -> None:
        environ = {"https_proxy": f"http://{userinfo}@proxy.example:3128"}
        result = run_plugin(teller, {"do": do}, env=environ, mode="function").exited(3)
        assert "the proxy's address is not a URL" in result.errors[0]
        assert pieces_left(result, userinfo.removeprefix("user:")) == []

    @pytest.mark.parametrize("scheme", ["http://", ""])
    @pytest.mark.parametrize(
        "userinfo",
        [
            *NO_URL,
            "user:Zq8vT4mKp2 Lx9Rw7Nc3Y5Bd6",
            "user:Zq8vT4mKp2@Lx9Rw7Nc3Y5Bd6",
            "user:Zq8vT4mKp2%40Lx9Rw7Nc3Y5Bd6",
            "Zq8vT4mKp2Lx9Rw7Nc3Y5Bd6",
        ],
    )
    def test_its_password_is_masked_where_a_tool_prints_it(
        self, run_plugin: PluginRunner, teller: Path, scheme: str, userinfo: str
    ) -> None:
        environ = {"https_proxy": f"{scheme}{userinfo}@proxy.example:3128"}
        result = run_plugin(teller, {"do": "proxies"}, env=environ, mode="function").passed()
        assert pieces_left(result, userinfo.removeprefix("user:")) == []
        assert pieces_left(result, unquote(userinfo).removeprefix("user:")) == []
        assert "@proxy.example:3128" in result.log


@pytest.mark.parametrize("userinfo", NO_URL[:4])
def test_the_address_of_a_service_is_in_no_message(
    run_plugin: PluginRunner, teller: Path, userinfo: str
) -> None:
    environ = {"HOOK": f"https://{userinfo}@127.0.0.1:9/x"}
    result = run_plugin(teller, {"do": "secret-url"}, env=environ, mode="function").exited(3)
    assert pieces_left(result, userinfo.removeprefix("user:")) == []


SECRET = "Zq8vT4mKp2Lx9Rw7Nc3Y5Bd6"


class TestAPieceThatAnInputHolds:
    @pytest.mark.parametrize("do", ["say", "warn", "group", "summary", "fail", "crash"])
    @pytest.mark.parametrize("debug", ["0", "1"])
    @pytest.mark.parametrize("system", ["docker", "github"])
    def test_is_in_nothing_that_the_plugin_says(
        self, run_plugin: PluginRunner, teller: Path, do: str, debug: str, system: str
    ) -> None:
        environ = {"API_TOKEN": SECRET, "GOCDNEXT_DEBUG": debug}
        inputs = {"do": do, "text": SECRET[:15].lower()}
        result = run_plugin(teller, inputs, env=environ, mode="function", as_=system)
        assert pieces_left(result, SECRET.lower()) == []
        assert "near ***" in result.log


def refused(web: LocalWeb, text: str, **more: object) -> None:
    """Let a service refuse everything, in its own words."""
    web.answer(400, {"errors": [{"code": "DENIED", "message": text}], **more})


class TestWhatAServiceReflects:
    """It knows the secret, and says it back in part, or so that a message changes it."""

    @pytest.fixture(params=["password", "logins", "docker-config", "ecr", "http"])
    def ask(
        self, request: pytest.FixtureRequest, run_plugin: PluginRunner, teller: Path, gocdnext_web: LocalWeb
    ) -> Callable[[str, str], Result]:
        """Return what runs the plugin with a secret, against a service that says a text."""

        def run(secret: str, said: str) -> Result:
            host = gocdnext_web.url.removeprefix("http://")
            with_ = {"do": "registry", "image": f"{host}/org/app:v1"}
            env: dict[str, YamlValue] = {}
            match request.param:
                case "password":
                    with_ |= {"username": "bob", "password": secret}
                case "logins":
                    with_ |= {"logins": f"{host} bob GH_TOKEN"}
                    env = {"GH_TOKEN": secret}
                case "docker-config":
                    auth = b64encode(f"bob:{secret}".encode()).decode()
                    with_ |= {"docker-config": json.dumps({"auths": {host: {"auth": auth}}})}
                case "ecr":
                    with_ |= {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1"}
                    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret}
                    env |= {"AWS_ENDPOINT_URL": gocdnext_web.url}
                case "http":
                    with_ |= {"do": "get", "text": gocdnext_web.url}
                    env = {"API_TOKEN": secret}
            if request.param == "http":
                gocdnext_web.answer(400, json.dumps(said))
            else:
                refused(gocdnext_web, said, __type="Denied", message=said)
            result = run_plugin(teller, with_, env=env, mode="function").exited(3)
            assert "400" in result.errors[0]
            return result

        return run

    @pytest.mark.parametrize("before", [230, 245, 260, 290, 9_990])
    def test_cut_by_the_length_of_a_message(self, ask: Callable[[str, str], Result], before: int) -> None:
        secret = "eyJhbGciOi" + SECRET * 3
        assert pieces_left(ask(secret, f"{'x' * before} {secret} tail"), secret) == []

    def test_with_its_blanks_folded(self, ask: Callable[[str, str], Result]) -> None:
        secret = "Zq8vT4mK  p2Lx9Rw7   Nc3Y5Bd6"
        left = ask(secret, f"what is {secret}?")
        assert pieces_left(left, " ".join(secret.split())) == []

    @pytest.mark.parametrize("piece", [SECRET[:12], SECRET[5:], SECRET[3:14].lower()])
    def test_in_part(self, ask: Callable[[str, str], Result], piece: str) -> None:
        assert pieces_left(ask(SECRET, f"the token {piece}... is old"), piece) == []

    def test_with_half_a_character(self, ask: Callable[[str, str], Result]) -> None:
        assert pieces_left(ask(SECRET, f"\ud83d {SECRET[:12]}"), SECRET) == []
