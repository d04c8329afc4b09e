"""From `PLUGIN_*` variables to a typed model, or to every mistake at once; never a secret in a message."""

from __future__ import annotations

import itertools
import traceback
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BeforeValidator, create_model

from gocdnext_sdk import (
    Boolean,
    Input,
    InputError,
    Items,
    JsonDocument,
    Lines,
    MutuallyExclusive,
    OnlyWith,
    Pairs,
    PluginInputs,
    Problem,
    Reference,
    RegistryHost,
    RequiredIf,
    Secret,
    Tags,
    WorkspacePath,
)
from gocdnext_sdk.inputs.reader import env_names, read_inputs

SECRET = "s3cr3t-value-of-the-job"


class Example(PluginInputs):
    image: Reference = Input(description="The image to publish. It is needed.")
    action: Literal["sign", "verify"] = Input("sign", description="What to do.")
    push: Boolean = Input("true", description="Whether to push.")
    tags: Tags = Input("latest", description="Tags.", deprecated_aliases=("tag_list",))
    build_args: Pairs = Input("", description="Build arguments.")
    platforms: Items = Input("linux/amd64", description="Platforms.")
    notes: Lines = Input("", description="Notes.")
    workers: int = Input(2, description="How many at once.", ge=1, le=8)
    registry: RegistryHost | None = Input(None, description="The registry.")
    dockerfile: WorkspacePath = Input("Dockerfile", description="The Dockerfile.")
    password: Secret | None = Input(None, description="A password.")

    def check(self, environ, workspace):
        if self.image.digest:
            yield Problem("image", "has a digest", "leave it out")


def mistakes(model: type[PluginInputs], **environ: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_inputs(model, environ)
    return caught.value.lines()


@pytest.mark.parametrize("name", ["PLUGIN_NOTES", "PLUGIN_PASSWORD", "PLUGIN_IMAGE", "PLUGIN_WORKERS"])
def test_bytes_that_are_no_text_are_a_mistake(name: str) -> None:
    """So they come out of `os.environ`."""
    environ = {"PLUGIN_IMAGE": "app"} | {name: SECRET + "\udcff"}
    (line,) = mistakes(Example, **environ)
    assert line == f"with.{name.removeprefix('PLUGIN_').lower()}: is not UTF-8 text"


class TestWhatIsRead:
    def test_defaults(self) -> None:
        inputs = read_inputs(Example, {"PLUGIN_IMAGE": "app"})
        assert (inputs.action, inputs.push, inputs.tags, inputs.build_args) == ("sign", True, ("latest",), ())
        assert (inputs.workers, inputs.registry, inputs.dockerfile, inputs.password) == (
            2,
            None,
            "Dockerfile",
            None,
        )

    def test_every_type(self) -> None:
        inputs = read_inputs(
            Example,
            {
                "PLUGIN_IMAGE": "ghcr.io/org/app",
                "PLUGIN_PUSH": "no",
                "PLUGIN_TAGS": "v1\nv1.2\n",
                "PLUGIN_BUILD_ARGS": "A=1, 2\n",
                "PLUGIN_WORKERS": "4",
                "PLUGIN_REGISTRY": "https://GHCR.io/",
                "PLUGIN_PASSWORD": f"{SECRET}\n",
                "CI_BRANCH": "main",
            },
        )
        assert str(inputs.image) == "ghcr.io/org/app"
        assert (inputs.push, inputs.tags, inputs.build_args) == (False, ("v1", "v1.2"), (("A", "1, 2"),))
        assert (inputs.workers, str(inputs.registry)) == (4, "ghcr.io")
        assert inputs.password == Secret(SECRET)

    @pytest.mark.parametrize("empty", ["", " ", "\n", "  \n\n"])
    def test_empty_is_not_given(self, empty: str) -> None:
        inputs = read_inputs(Example, {"PLUGIN_IMAGE": "app", "PLUGIN_TAGS": empty, "PLUGIN_PASSWORD": empty})
        assert (inputs.tags, inputs.password) == (("latest",), None)

    def test_blanks_around_belong_to_a_secret_and_to_nothing_else(self) -> None:
        inputs = read_inputs(Example, {"PLUGIN_IMAGE": " app \n", "PLUGIN_PASSWORD": f" {SECRET} \r\n"})
        assert inputs.image.repository == "library/app"
        assert inputs.password == Secret(f" {SECRET} ")

    @pytest.mark.parametrize(
        "variable",
        ["PLUGIN_BUILD_ARGS", "PLUGIN_BUILDARGS", "PLUGIN_BUILD.ARGS"],
        ids=["kebab, snake, camel on one engine", "camel on the other", "dotted on the other"],
    )
    def test_every_spelling_on_every_engine(self, variable: str) -> None:
        assert read_inputs(Example, {"PLUGIN_IMAGE": "app", variable: "A=1"}).build_args == (("A", "1"),)

    def test_no_two_inputs_share_a_variable(self) -> None:
        names = env_names(Example)
        assert {names[f"PLUGIN_{name.upper()}"] for name in Example.model_fields} == {
            name.replace("_", "-") for name in Example.model_fields
        }

    def test_a_former_key_works_with_a_warning(self) -> None:
        warnings: list[str] = []
        environ = {"PLUGIN_IMAGE": "app", "PLUGIN_TAG_LIST": "v1"}
        assert read_inputs(Example, environ, warn=warnings.append).tags == ("v1",)
        assert warnings == ['with.tag-list is deprecated; write "tags"']

    def test_what_the_platform_injects_is_no_mistake(self) -> None:
        read_inputs(Example, {"PLUGIN_IMAGE": "app", "PLUGIN_KUBECONFIG": "apiVersion: v1"})

    def test_secrets_are_told_before_anything_can_print_them(self) -> None:
        told: list[str] = []
        with pytest.raises(InputError):
            read_inputs(Example, {"PLUGIN_PASSWORD": SECRET, "PLUGIN_PUSH": "maybe"}, told.append)
        assert told == [SECRET]


class TestMistakes:
    def test_all_at_once_each_with_its_key_and_the_next_step(self) -> None:
        found = mistakes(
            Example,
            PLUGIN_ACTION="sing",
            PLUGIN_PUSH="maybe",
            PLUGIN_PLATFROMS="linux/arm64",
            PLUGIN_WORKERS="many",
            PLUGIN_TAGS="a:b",
            PLUGIN_BUILD_ARGS="A=1\nA=2",
            PLUGIN_REGISTRY="ghcr.io/org/app",
            PLUGIN_DOCKERFILE="../Dockerfile",
            PLUGIN_XYZ="1",
        )
        assert sorted(found) == [
            'with.action: "sing" is not one of "sign", "verify"; did you mean "sign"?',
            "with.build-args: item 2 repeats an earlier name",
            'with.dockerfile: "../Dockerfile" is outside the workspace; give a path inside the checkout',
            "with.image: is required (the image to publish)",
            "with.platfroms: unknown input; did you mean `platforms`?",
            'with.push: "maybe" is not a boolean; write "true" or "false"',
            'with.registry: it is an image, not a registry; write only the host, such as "ghcr.io"',
            'with.tags: "a:b" is not a tag; letters, digits, "_", "." and "-", at most 128',
            (
                'with.workers: "many": input should be a valid integer, '
                "unable to parse string as an integer (how many at once)"
            ),
            (
                "with.xyz: unknown input; known inputs: action, build-args, dockerfile, "
                "image, notes, password, platforms, push, registry, tags, timeout, "
                "workers"
            ),
        ]

    def test_each_is_one_line(self) -> None:
        for line in mistakes(Example, PLUGIN_IMAGE="two\nlines", PLUGIN_ACTION="a\nb", PLUGIN_WORKERS="1\n2"):
            assert "\n" not in line

    @pytest.mark.parametrize("number", ["0", "9"])
    def test_limits(self, number: str) -> None:
        assert (
            f'"{number}": input should be' in mistakes(Example, PLUGIN_IMAGE="app", PLUGIN_WORKERS=number)[0]
        )

    def test_one_input_under_two_spellings_must_agree(self) -> None:
        environ = {"PLUGIN_IMAGE": "app", "PLUGIN_BUILD_ARGS": "A=1", "PLUGIN_BUILDARGS": "A=1"}
        assert read_inputs(Example, environ).build_args == (("A", "1"),)
        assert mistakes(Example, **environ | {"PLUGIN_BUILDARGS": "A=2"}) == [
            "with.build-args: is set twice with different values; keep one spelling of the key"
        ]

    def test_a_check_that_has_nothing_to_say_may_return_nothing(self) -> None:
        class Checked(Example):
            def check(self, environ, workspace):
                if self.workers > 4:
                    return [Problem("workers", "are too many")]
                return None

        assert mistakes(Checked, PLUGIN_IMAGE="app", PLUGIN_WORKERS="5") == ["with.workers: are too many"]
        read_inputs(Checked, {"PLUGIN_IMAGE": "app", "PLUGIN_WORKERS": "4"})

    @pytest.mark.parametrize("names", [("dbhost", "db_host"), ("db_host", "dbhost")])
    def test_an_input_goes_by_its_own_name_before_another_in_one_word(self, names: tuple[str, str]) -> None:
        fields = {name: (str, Input("", description=".")) for name in names}
        inputs = read_inputs(create_model("Hosts", __base__=PluginInputs, **fields), {"PLUGIN_DBHOST": "a"})
        assert (inputs.dbhost, inputs.db_host) == ("a", "")

    def test_the_models_own_check_comes_after_the_fields(self) -> None:
        digest = "app@sha256:" + "0" * 64
        assert mistakes(Example, PLUGIN_IMAGE=digest) == ["with.image: has a digest; leave it out"]
        assert len(mistakes(Example, PLUGIN_IMAGE=digest, PLUGIN_PUSH="maybe")) == 1

    def test_a_link_out_of_the_workspace_is_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "workspace").mkdir()
        (tmp_path / "workspace" / "link").symlink_to("/etc")
        monkeypatch.chdir(tmp_path / "workspace")
        (line,) = mistakes(Example, PLUGIN_IMAGE="app", PLUGIN_DOCKERFILE="link/passwd")
        assert "outside the workspace" in line

    def test_a_missing_input_that_a_rule_wants_too_is_told_once(self) -> None:
        class Rules(PluginInputs):
            mode: Literal["a", "b"] = Input(description="The mode.")
            key: str = Input(description="The key.")

            constraints = (RequiredIf("key", "mode", "a"),)

        assert mistakes(Rules, PLUGIN_MODE="a") == ["with.key: is required (the key)"]

    @pytest.mark.parametrize("wrong", [{"PLUGIN_MODE": "jion"}, {"PLUGIN_MODDE": "join"}])
    def test_a_mistake_in_what_decides_makes_no_second_one(self, wrong: dict[str, str]) -> None:
        class Rules(PluginInputs):
            mode: Literal["copy", "join"] = Input("copy", description="The mode.")
            parts: str | None = Input(None, description="What to join.")

            constraints = (OnlyWith("parts", "mode", "join"),)

        (line,) = mistakes(Rules, PLUGIN_PARTS="a b", **wrong)
        assert "did you mean" in line
        assert len(mistakes(Rules, PLUGIN_PARTS="a b")) == 1

    def test_rules_see_booleans_in_one_spelling_and_the_defaults(self) -> None:
        class Rules(PluginInputs):
            push: Boolean = Input(True, description="Whether to push.")
            username: str | None = Input(None, description="A name.")

            constraints = (RequiredIf("username", "push", "true"),)

        assert mistakes(Rules) == ["with.username: is required with push: true"]
        assert mistakes(Rules, PLUGIN_PUSH="Yes") == mistakes(Rules)
        assert read_inputs(Rules, {"PLUGIN_PUSH": "off"}).username is None

    def test_rules_are_inherited(self) -> None:
        class Child(Example):
            token: Secret | None = Input(None, description="A token.")

            constraints = (MutuallyExclusive("password", "token"),)

        class Grandchild(Child):
            constraints = (RequiredIf("token", "action", "verify"),)

        environ = {"PLUGIN_IMAGE": "app", "PLUGIN_ACTION": "verify", "PLUGIN_PASSWORD": SECRET}
        assert mistakes(Grandchild, **environ) == ["with.token: is required with action: verify"]
        assert mistakes(Grandchild, **environ, PLUGIN_TOKEN=SECRET) == [
            'with.token: cannot be combined with "password"; keep one of the two'
        ]


def _reject(value: object) -> object:
    raise ValueError(f"rejected: {value}")


class TestNoSecretInAnyMessage:
    """pydantic quotes what it was given, so it must never be given a bare secret."""

    MODELS = {
        "plain": Secret,
        "optional": Secret | None,
        "annotated": Annotated[Secret, AfterValidator(_reject)],
        "annotated optional": Annotated[Secret, AfterValidator(_reject)] | None,
        "optional annotated": Annotated[Secret | None, AfterValidator(_reject)],
        "rejected before": Annotated[Secret, BeforeValidator(_reject)],
        "in a tuple": tuple[Secret, ...],
    }
    BAD = {
        "PLUGIN_ACTION": "sing",
        "PLUGIN_PUSH": "maybe",
        "PLUGIN_TAGS": "a:b",
        "PLUGIN_BUILD_ARGS": "=",
        "PLUGIN_WORKERS": "many",
        "PLUGIN_REGISTRY": "a b",
        "PLUGIN_DOCKERFILE": "/etc/passwd",
        "PLUGIN_IMAGE": "BAD",
        "PLUGIN_UNKNOWN": "x",
    }

    @pytest.mark.parametrize("kind", MODELS)
    @pytest.mark.parametrize("others", [*itertools.combinations(BAD, 1), tuple(BAD), ()])
    def test_whatever_else_is_wrong(self, kind: str, others: tuple[str, ...]) -> None:
        model = type(
            "Model",
            (Example,),
            {
                "__annotations__": {"token": self.MODELS[kind]},
                "token": Input(description="A token."),
                "__module__": __name__,
            },
        )
        environ = {name: self.BAD[name] for name in others} | {
            "PLUGIN_TOKEN": SECRET,
            "PLUGIN_PASSWORD": SECRET,
        }
        told: list[str] = []
        try:
            shown = repr(read_inputs(model, environ, told.append))
        except InputError as error:
            shown = (
                "".join(traceback.format_exception(error)) + repr(error.__context__) + repr(error.problems)
            )
        assert SECRET not in shown
        assert told == [SECRET, SECRET]


class Paths(PluginInputs):
    document: JsonDocument | None = Input(None, description="A document.")
    path: WorkspacePath = Input(".", description="A path.")

    def check(self, environ, workspace):
        if not (workspace / self.path).exists():
            yield Problem("path", "is not there")


def test_the_workspace_is_given_and_the_current_directory_means_nothing(tmp_path, monkeypatch) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    (workspace / "folder").mkdir(parents=True)
    elsewhere.mkdir()
    (workspace / "document.json").write_text("{}")
    monkeypatch.chdir(elsewhere)
    environ = {"PLUGIN_DOCUMENT": "document.json", "PLUGIN_PATH": "folder"}
    inputs = read_inputs(Paths, environ, workspace=workspace)
    assert (inputs.document, inputs.path) == ({}, "folder")
    for path in ("../elsewhere", str(elsewhere), "missing"):
        with pytest.raises(InputError) as caught:
            read_inputs(Paths, {"PLUGIN_PATH": path}, workspace=workspace)
        assert [each.key for each in caught.value.problems] == ["path"]
