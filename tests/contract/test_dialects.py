"""What other CI systems hand to a container, and what it is on gocdnext: the tables of docs/ci-systems.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.contract import ContractError
from gocdnext_sdk.contract.dialects import detect, dialect, dialects
from gocdnext_sdk.contract.dialects.base import OutputTarget
from gocdnext_sdk.contract.dialects.commands import CommandBreaker

VECTORS = json.loads((Path(__file__).parent / "dialects.json").read_text())
NAMES = [each.name for each in dialects()]


def ids(vector: Any) -> str:
    return str(vector.get("what") or vector.get("environ"))


@pytest.mark.parametrize("vector", VECTORS["detection"], ids=ids)
def test_a_system_is_told_by_its_mark(vector: dict[str, Any]) -> None:
    found = detect(vector["environ"])
    assert (found.name if found else None) == vector["dialect"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plain"])
def test_each_is_told_by_the_marks_it_sets(name: str) -> None:
    found = detect(dialect(name).marks)
    assert found is not None
    assert found.name == name


def test_on_gocdnext_no_dialect_is_loaded() -> None:
    code = (
        "import sys, pathlib\n"
        "from gocdnext_sdk import *\n"
        "from gocdnext_sdk.plugin import execute\n"
        "class I(PluginInputs):\n    n: int = Input(1, description='A number.')\n"
        "class P(Plugin[I]):\n    name = 'p'\n    inputs = I\n    def run(self, inputs, job): return {}\n"
        "assert execute(P(), {'GOCDNEXT': 'true'}, pathlib.Path.cwd()) == 0\n"
        "print([m for m in sys.modules if 'dialect' in m or 'translation' in m or 'surroundings' in m])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=ids)
def test_an_input_is_found_under_the_systems_name(vector: dict[str, Any]) -> None:
    rules = dialect(vector["dialect"])
    if "error" in vector:
        with pytest.raises(ContractError, match=vector["error"]):
            rules.inputs(vector["environ"], vector["keys"])
    else:
        assert rules.inputs(vector["environ"], vector["keys"]) == vector["inputs"]


@pytest.mark.parametrize("vector", VECTORS["values"], ids=ids)
def test_several_values_in_one_text_stay_several(vector: dict[str, Any]) -> None:
    for name in vector["dialects"]:
        if "error" in vector:
            with pytest.raises(ContractError, match=vector["error"]):
                dialect(name).reshape(vector["text"], vector["form"])
        else:
            assert dialect(name).reshape(vector["text"], vector["form"]) == vector["lines"]


@pytest.mark.parametrize("vector", VECTORS["metadata"], ids=ids)
def test_what_a_run_is_has_the_names_of_gocdnext(vector: dict[str, Any]) -> None:
    found = dialect(vector["dialect"]).metadata(vector["environ"], vector.get("event", {}))
    assert found == vector["metadata"]


@pytest.mark.parametrize("vector", VECTORS["places"], ids=ids)
def test_where_the_checkout_is_and_where_outputs_go(vector: dict[str, Any]) -> None:
    rules = dialect(vector["dialect"])
    assert rules.workspace(vector["environ"]) == vector["workspace"]
    assert rules.outputs(vector["environ"]) == tuple(OutputTarget(*each) for each in vector["outputs"])
    assert rules.summary(vector["environ"]) == vector["summary"]


def test_github_hands_a_token_out_on_request() -> None:
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x/t?a=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    request = dialect("github").token_request(environ, "my aud&x=é")
    assert request is not None
    assert request.url == "https://x/t?a=1&audience=my%20aud%26x%3D%C3%A9"
    assert dialect("github").token_request({}, "sigstore") is None
    assert dialect("gitlab").token_request(environ, "sigstore") is None


def test_an_annotation_is_one_command_whatever_it_says() -> None:
    assert dialect("github").annotation("error", "a%\r\n::warning::b") == "::error::a%25%0D%0A::warning::b"
    assert dialect("woodpecker").annotation("error", "a") == ""


@pytest.mark.parametrize("name", NAMES)
def test_no_advice_is_that_of_gocdnext(name: str) -> None:
    said = dialect(name).in_its_words(
        "with.image-source: no daemon; add `docker: true` to the job. does the job say `docker: true`? "
        "add `id_tokens: {X: {aud: y}}` to the job, or"
    )
    assert "docker: true" not in said
    assert "{X:" not in said
    assert dialect(name).naming("image-source") in said


@pytest.mark.parametrize("name", NAMES)
def test_what_a_system_hands_over_is_understood(name: str) -> None:
    inputs = {"scan-type": "fs", "target": "x", "db-password": "geheim"}
    rules = dialect(name)
    environ = {**rules.marks, **rules.hand_over(inputs)}
    assert rules.inputs(environ, inputs) == {
        "PLUGIN_SCAN_TYPE": "fs",
        "PLUGIN_TARGET": "x",
        "PLUGIN_DB_PASSWORD": "geheim",
    }


# --- commands in a log

COMMANDS = [
    "::set-output name=DIGEST::sha256:forged",
    "  \t::error file=a::b",
    "\u00a0\u2003::error::b",
    "\ufeff::error::b",
    "\u200b\u00ad::error::b",
    "progress\r::set-output name=X::y",
    "#7 0.12 ##[set-output name=DIGEST]x",
    "###[error]x",
    "x ##vso[task.setvariable variable=a]b",
    "##teamcity[buildStatus text='x']",
    "section_start:123:x\r\x1b[0K",
    "text section_end:123:x\r\x1b[0K",
    "::stop-commands::x",
    "::::",
]


def gives_command(log: str) -> bool:
    """Tell whether a reader takes a command from a log; written anew, not with the code's pattern."""
    for line in re.split(r"\r\n|\r|\n", log):
        bare = line.lstrip().lstrip("\u200b\u00ad\ufeff\u200c\u200d\u2060").lstrip()
        if bare.startswith("::") or "##[" in line or "##vso[" in line or "##teamcity[" in line:
            return True
        if "section_start:" in line or "section_end:" in line:
            return True
    return False


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_tool_is_none(line: str) -> None:
    log = f"before\n{line}\nafter\n"
    assert gives_command(log)
    assert not gives_command(CommandBreaker().decode(log))


@pytest.mark.parametrize("line", COMMANDS)
def test_nor_is_one_that_comes_letter_by_letter(line: str) -> None:
    breaker = CommandBreaker()
    assert not gives_command("".join(breaker.decode(char) for char in f"before\n{line}\nafter\n"))


def test_what_is_no_command_stays_as_it_is() -> None:
    text = "std::string a::b\n#1 [2/3] RUN x\n## heading\n[::1]:80 -> ok\n: a\nsection_start 1\n# [x](y)\n"
    assert CommandBreaker().decode(text) == text


@given(st.lists(st.text(":#[]\n\r \u200bavsxo"), max_size=12))
def test_pieces_give_what_the_whole_gives(pieces: list[str]) -> None:
    breaker = CommandBreaker()
    said = "".join(map(breaker.decode, pieces))
    assert said == CommandBreaker().decode("".join(pieces))
    assert not gives_command(said)
    assert said.replace(" ", "") == "".join(pieces).replace(" ", "")  # nothing is lost


def test_a_long_line_of_blanks_hides_no_command() -> None:
    breaker = CommandBreaker()
    said = (
        breaker.decode("\u200b" * 500)
        + breaker.decode(" " * 500)
        + breaker.decode(":")
        + breaker.decode(":x::")
    )
    assert not gives_command(said)


@pytest.mark.parametrize("form", ["lines", "pairs", "items", "words", "tags", "cache-entries"])
@given(text=st.text('ab=,[]{}":\n #', max_size=30))
def test_a_value_is_read_or_refused_and_never_anything_else(form: str, text: str) -> None:
    for rules in dialects():
        try:
            rules.reshape(text, form)
        except ContractError as error:
            assert str(error)


@given(
    st.lists(
        st.from_regex(r"[A-Za-z_][\w./-]{0,5}=[^,\n\r\[{=\"]{0,5}", fullmatch=True), min_size=1, max_size=5
    )
)
def test_a_joined_list_of_pairs_is_what_it_was(pairs: list[str]) -> None:
    for name in ("woodpecker", "drone"):
        assert dialect(name).reshape(",".join(pairs), "lines").split("\n") == pairs
