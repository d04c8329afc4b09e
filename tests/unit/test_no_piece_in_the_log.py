"""What a whole run prints holds no eight characters of a secret, however it came into the text."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from gocdnext_sdk.host.testing import PluginRunner, Result
from gocdnext_sdk.runtime.pieces import PIECE

SOURCE = '''
"""A plugin that says what it is told to."""
import os
from urllib.parse import unquote
from gocdnext_sdk import *

class Inputs(RegistryLoginInputs):
    do: str = Input("print", description="What to do.")
    text: str = Input("", description="What to say.")
    image: str = Input("ghcr.io/org/app:v1", description="What to look up.")

class Teller(Plugin[Inputs]):
    """Says it."""

    name = "gocdnext-plugin-teller"
    inputs = Inputs

    def run(self, inputs, job):
        match inputs.do:
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
