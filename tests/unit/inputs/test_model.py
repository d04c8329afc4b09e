"""What an author writes, and what follows from it."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import SecretStr, ValidationError, create_model

from gocdnext_sdk import Boolean, Input, Items, PluginInputs, RegistryHost, Secret
from gocdnext_sdk.inputs.model import as_text, is_secret, traits


class Example(PluginInputs):
    token: Secret | None = Input(None, description="A token.", tool_env="TOOL_TOKEN")
    cache: str | None = Input(None, description="A folder.", tool_env="TOOL_CACHE")
    quiet: Boolean = Input("false", description="Whether to be quiet.", tool_env="TOOL_QUIET")
    skip: Items = Input("", description="What to skip.", tool_env="TOOL_SKIP")
    registry: RegistryHost | None = Input(None, description="Where.", tool_env="TOOL_REGISTRY")
    level: Literal["low", "high"] = Input("low", description="How much.", deprecated_aliases=("degree",))


def test_inputs_reach_the_tool_through_the_variables_they_name() -> None:
    inputs = Example.model_validate(
        {"token": Secret("s3cret"), "quiet": "yes", "skip": "a,b", "registry": "docker.io"}
    )
    assert inputs.tool_environ() == {
        "TOOL_TOKEN": Secret("s3cret"),
        "TOOL_QUIET": "true",
        "TOOL_SKIP": "a,b",
        "TOOL_REGISTRY": "docker.io",
    }


def test_inputs_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example().level = "high"


@pytest.mark.parametrize("annotation", [Secret, Secret | None])
def test_a_secret_in_the_code_is_refused_at_once(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"^Model\.token: a secret has no default but None$"):
        create_model(
            "Model", __base__=PluginInputs, token=(annotation, Input("s3cret", description="Token."))
        )


@pytest.mark.parametrize("name", ["buildArgs", "Build", "build__args", "build_", "9lives", "été"])
def test_a_name_that_engines_map_differently_is_refused_at_once(name: str) -> None:
    """In the author's editor and tests, not in somebody's pipeline."""
    with pytest.raises(TypeError, match=f"Model.{name}: an input is named like build_args"):
        type(
            "Model",
            (PluginInputs,),
            {"__annotations__": {name: str}, name: Input("", description="."), "__module__": __name__},
        )


@pytest.mark.parametrize("name", ["check", "seconds", "prepared", "constraints", "tool_environ"])
def test_a_name_that_inputs_have_already_is_refused_at_once(name: str) -> None:
    """`inputs.seconds` would not be what the job gave, and a `check` of text cannot be called."""
    with (
        pytest.warns(UserWarning, match="shadows"),
        pytest.raises(TypeError, match=f"Model.{name}: is taken"),
    ):
        create_model("Model", __base__=PluginInputs, **{name: (str, Input("", description="."))})


def test_the_timeout_of_every_plugin_stays_what_it_is() -> None:
    with pytest.raises(TypeError, match=r"Model\.timeout: is taken"):
        create_model("Model", __base__=PluginInputs, timeout=(int, Input("5", description=".")))


@pytest.mark.parametrize("alias", ["level", "degree", "registry"])
def test_a_former_key_that_is_another_input_is_refused_at_once(alias: str) -> None:
    with pytest.raises(TypeError, match="is another input"):
        create_model(
            "Model", __base__=Example, new=(str, Input("", description=".", deprecated_aliases=(alias,)))
        )


def test_one_former_key_is_no_list_of_them() -> None:
    with pytest.raises(TypeError, match="deprecated_aliases"):
        Input("", description=".", deprecated_aliases="skip")  # type: ignore[arg-type]


def test_what_nobody_would_mask_is_no_type_for_a_secret() -> None:
    with pytest.raises(TypeError, match=r"Model\.token: .*`Secret`"):
        create_model("Model", __base__=PluginInputs, token=(SecretStr | None, Input(None, description=".")))


class Level(Enum):
    LOW = "low"


def test_traits_and_secrecy_are_found_on_the_field() -> None:
    fields = Example.model_fields
    assert traits(fields["level"]).deprecated_aliases == ("degree",)
    assert traits(fields["token"]).tool_env == "TOOL_TOKEN"
    assert [name for name in fields if is_secret(fields[name])] == ["token"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (("a", "b"), "a,b"),
        ((("A", "1,2"), ("B", None)), "A=1,2\nB"),
        ("x", "x"),
        (Secret("s"), "s"),
        (Level.LOW, "low"),
    ],
)
def test_the_text_of_a_value(value: object, text: str) -> None:
    assert as_text(value) == text
