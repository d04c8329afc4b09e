"""What broke in the bash plugins, input by input: it works here, or ends with one clear line.

docs/bash-plugins.md describes each defect under the letter in its test's name: B buildx, T trivy, C cosign,
K kaniko, P docker-push. What only a run can show (leftovers, signals, several platforms) is in tests/e2e.
"""

from __future__ import annotations

from collections.abc import Mapping
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest

from gocdnext_sdk import InputError, Plugin
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning import Placeholders, RunPlan, plan_run
from gocdnext_sdk.inputs.reader import read_inputs

PLUGINS = Path(__file__).parents[3] / "plugins"
SECRET = "hunter2-hunter2"
PEM = "-----BEGIN {0}-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END {0}-----\n"
PRIVATE, PUBLIC = PEM.format("ENCRYPTED SIGSTORE PRIVATE KEY"), PEM.format("PUBLIC KEY")
LOGIN = {"username": "me", "password": SECRET}
HUB = "https://index.docker.io/v1/"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


def environ(with_: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    return {**env, **{variable(key): value for key, value in with_.items()}}


def plan(name: str, checkout: Path, with_: Mapping[str, str], **env: str) -> RunPlan:
    plugin: type[Plugin[Any]] = load_plugin(PLUGINS / name)
    return plan_run(plugin, environ(with_, env), checkout, Placeholders())


def argv(name: str, checkout: Path, with_: Mapping[str, str], **env: str) -> list[str]:
    """All that would stand on command lines."""
    return [word for step in plan(name, checkout, with_, **env).steps for word in step.words]


def refused(name: str, checkout: Path, with_: Mapping[str, str], **env: str) -> str:
    with pytest.raises(InputError) as error:
        plan(name, checkout, with_, **env)
    return str(error.value)


def build_args(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, checkout: Path
) -> dict[str, str | None]:
    monkeypatch.chdir(checkout)
    inputs: Any = read_inputs(
        load_plugin(PLUGINS / name).inputs, environ({"image": "ghcr.io/o/a", "build-args": text}, {})
    )
    return dict(inputs.build_args)


def after(flag: str, words: list[str]) -> list[str]:
    """The values that follow `flag`, wherever it stands."""
    return [words[at + 1] for at, word in enumerate(words) if word == flag]


IMAGE = {"image": "ghcr.io/o/a"}


class TestBuildx:
    def test_b1_a_block_of_tags_is_all_tags(self, checkout: Path) -> None:
        words = argv("buildx", checkout, IMAGE | {"tags": "sha\nmain\nlatest\n"})
        assert after("--tag", words) == [f"ghcr.io/o/a:{tag}" for tag in ("sha", "main", "latest")]

    @pytest.mark.parametrize("value", ["FLAGS=-X a,-Y b", "NO_PROXY=a,b"])
    def test_b2_a_comma_stays_in_its_value(
        self, value: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key, _, text = value.partition("=")
        assert build_args("buildx", value, monkeypatch, checkout) == {key: text}

    def test_b3_a_build_argument_is_on_no_command_line(self, checkout: Path) -> None:
        words = argv("buildx", checkout, IMAGE | {"build-args": f"NPM_TOKEN={SECRET}"})
        assert after("--build-arg", words) == ["NPM_TOKEN"]
        assert SECRET not in " ".join(words)

    @pytest.mark.parametrize("text", ["True", "yes", "1", "on"])
    def test_b4_every_spelling_of_true_pushes(self, text: str, checkout: Path) -> None:
        assert "push=true" in " ".join(argv("buildx", checkout, IMAGE | {"push": text}))

    def test_b5_a_short_name_logs_in_to_docker_hub(self, checkout: Path) -> None:
        (login,) = plan("buildx", checkout, LOGIN | {"image": "klinux/app"}).logins
        assert login.host == "docker.io"

    def test_b6_bucket_credentials_are_on_no_command_line(self, checkout: Path) -> None:
        env = {"AWS_ACCESS_KEY_ID": "AKIA-x", "AWS_SECRET_ACCESS_KEY": SECRET}
        words = argv(
            "buildx", checkout, IMAGE | {"cache": "bucket"}, GOCDNEXT_LAYER_CACHE_BUCKET="layers", **env
        )
        assert "bucket=layers" in " ".join(words)
        assert not any(value in " ".join(words) for value in env.values())

    def test_b7_a_reference_is_a_cache(self, checkout: Path) -> None:
        words = argv("buildx", checkout, IMAGE | {"cache": "ghcr.io/klinux/cache"})
        assert after("--cache-from", words) == ["type=registry,ref=ghcr.io/klinux/cache"]

    def test_b8_no_cache_is_written_when_nothing_is_pushed(self, checkout: Path) -> None:
        words = argv("buildx", checkout, IMAGE | {"cache": "registry", "push": "false"})
        assert after("--cache-from", words)
        assert not after("--cache-to", words)

    def test_b11_the_dockerfile_of_the_context_is_taken(self, checkout: Path) -> None:
        assert after("--file", argv("buildx", checkout, IMAGE | {"context": "app"})) == [
            "/workspace/app/Dockerfile"
        ]

    def test_b12_an_unknown_input_is_told(self, checkout: Path) -> None:
        assert "with.tag: unknown input; did you mean `tags`?" in refused(
            "buildx", checkout, IMAGE | {"tag": "v1"}
        )

    def test_b13_a_secret_of_a_cache_entry_is_on_no_command_line(self, checkout: Path) -> None:
        entry = f"type=s3,region=r,bucket=b,access_key_id=AKIA-x,secret_access_key={SECRET}"
        assert SECRET not in " ".join(argv("buildx", checkout, IMAGE | {"cache-to": entry}))

    def test_b15_the_manifests_default_is_the_plugins(self, checkout: Path) -> None:
        assert after("--platform", argv("buildx", checkout, IMAGE)) == ["linux/amd64,linux/arm64"]


class TestTrivy:
    def test_t1_a_config_scan_gets_only_its_own_flags(self, checkout: Path) -> None:
        words = argv("trivy", checkout, {"scan-type": "config"})
        assert words[1] == "config"
        assert "--ignore-unfixed" not in words

    def test_t2_t5_one_scan_ignores_what_is_unfixed_however_true_is_spelled(self, checkout: Path) -> None:
        words = argv("trivy", checkout, {"ignore-unfixed": "True", "output": "out/report.json"})
        assert words.count("--ignore-unfixed") == 1

    def test_t4_a_login_in_the_target_is_on_no_command_line(self, checkout: Path) -> None:
        with_ = {"scan-type": "repo", "target": f"https://user:{SECRET}@git.example.com/o/r"}
        assert SECRET not in " ".join(argv("trivy", checkout, with_))

    def test_t6_the_login_is_bound_to_the_images_registry(self, checkout: Path) -> None:
        with_ = LOGIN | {"scan-type": "image", "target": "ghcr.io/o/a:v1"}
        planned = plan("trivy", checkout, with_)
        assert [login.host for login in planned.logins] == ["ghcr.io"]
        seen = {name for step in planned.steps for name in step.environ}
        assert not {"TRIVY_USERNAME", "TRIVY_PASSWORD"} & seen

    def test_t7_a_template_format_needs_its_template(self, checkout: Path) -> None:
        assert "with.template" in refused("trivy", checkout, {"format": "template"})

    def test_t9_jobs_of_one_workspace_do_not_share_a_locked_cache(self, checkout: Path) -> None:
        image = {"scan-type": "image", "target": "ghcr.io/o/a:v1"}
        assert after("--cache-backend", argv("trivy", checkout, image)) == ["fs"]
        layers = checkout / ".cache" / "trivy" / "fanal" / "fanal.db"
        layers.parent.mkdir(parents=True)
        with layers.open("wb") as file:
            flock(file, LOCK_EX)
            assert after("--cache-backend", argv("trivy", checkout, image)) == ["memory"]
        assert after("--cache-backend", argv("trivy", checkout, {})) == ["memory"]

    def test_t10_the_platforms_of_an_image_are_a_choice_and_all_by_default(self, checkout: Path) -> None:
        plugin = load_plugin(PLUGINS / "trivy")
        assert plugin.inputs.model_fields["platforms"].default == "all"


class TestCosign:
    DIGEST = "ghcr.io/o/a@sha256:" + "a" * 64

    def test_c1_keyless_without_a_token_ends_at_once(self, checkout: Path) -> None:
        with_ = {"image": self.DIGEST, "cert-identity": "https://x", "cert-oidc-issuer": "https://y"}
        assert "id_tokens" in refused("cosign", checkout, with_)

    def test_c5_the_key_is_in_no_file(self, checkout: Path) -> None:
        words = argv("cosign", checkout, {"image": self.DIGEST, "key-content": PRIVATE, "tlog": "false"})
        assert after("--key", words)
        assert not any(PRIVATE.splitlines()[1] in word for word in words)
        assert all(word.startswith("<memory: ") for word in after("--key", words))

    def test_c6_a_tag_is_resolved_once_and_the_digest_is_signed(self, checkout: Path) -> None:
        with_ = {"image": "ghcr.io/o/a:v1", "key-content": PRIVATE, "tlog": "false"}
        signing = [
            step.words
            for step in plan("cosign", checkout, with_).steps
            if step.words[:2] == ("cosign", "sign")
        ]
        assert [words[-1] for words in signing] == ["ghcr.io/o/a@<digest of ghcr.io/o/a:v1>"]

    def test_c7_a_key_without_a_password_does_not_ask_for_one(self, checkout: Path) -> None:
        with_ = {"image": self.DIGEST, "key-content": PRIVATE, "tlog": "false"}
        (step,) = [s for s in plan("cosign", checkout, with_).steps if s.words[:2] == ("cosign", "sign")]
        assert "COSIGN_PASSWORD" in step.environ

    def test_c8_a_short_name_logs_in_to_docker_hub(self, checkout: Path) -> None:
        with_ = LOGIN | {"image": "klinux/app:v1", "key-content": PRIVATE, "tlog": "false"}
        assert {login.host for login in plan("cosign", checkout, with_).logins} == {"docker.io"}

    def test_c9_every_platform_can_be_signed(self, checkout: Path) -> None:
        assert "recursive" in load_plugin(PLUGINS / "cosign").inputs.model_fields

    def test_c10_a_public_key_signs_nothing(self, checkout: Path) -> None:
        assert "with.key-content" in refused(
            "cosign", checkout, {"image": self.DIGEST, "key-content": PUBLIC, "tlog": "false"}
        )


class TestKaniko:
    @pytest.mark.parametrize("text", ["MSG=hello world", "A=1 --destination=evil.io/x:1", "G=x *"])
    def test_k1_k2_k3_a_build_argument_is_one_value_and_no_flag(
        self, text: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key, _, value = text.partition("=")
        assert build_args("kaniko", text, monkeypatch, checkout) == {key: value}
        words = argv("kaniko", checkout, IMAGE | {"build-args": text})
        assert not any(word.startswith("--destination=evil") or word == "world" for word in words)

    def test_k4_the_cache_repository_is_valid(self, checkout: Path) -> None:
        words = " ".join(argv("kaniko", checkout, {"image": "ghcr.io/o/a:v1", "cache": "true"}))
        assert "--cache-repo=ghcr.io/o/a/cache" in words

    def test_k5_the_cache_is_only_read_when_nothing_is_pushed(self, checkout: Path) -> None:
        words = argv("kaniko", checkout, IMAGE | {"cache": "true", "push": "false"})
        assert "--no-push-cache" in " ".join(words)

    def test_k6_a_short_name_logs_in_to_docker_hub(self, checkout: Path) -> None:
        assert [login.host for login in plan("kaniko", checkout, LOGIN | {"image": "org/app:v1"}).logins] == [
            "docker.io"
        ]

    def test_k7_two_references_are_two_destinations(self, checkout: Path) -> None:
        words = argv("kaniko", checkout, {"image": "ghcr.io/o/a:1\nghcr.io/o/b:2"})
        assert [word for word in words if word.startswith("--destination=")] == [
            "--destination=ghcr.io/o/a:1",
            "--destination=ghcr.io/o/b:2",
        ]

    def test_k12_the_digest_is_an_output(self, checkout: Path) -> None:
        assert plan("kaniko", checkout, IMAGE).outputs["DIGEST"].startswith("<digest of")


class TestDockerPush:
    WITH: Mapping[str, str] = {"source": "docker://staging.io/o/a:v1", "target": "ghcr.io/o/a"}

    def test_p1_a_block_of_tags_is_all_tags(self, checkout: Path) -> None:
        planned = plan("docker-push", checkout, {**self.WITH, "tags": "one\ntwo\nthree\n"})
        assert planned.outputs["TAGS"] == "one,two,three"

    def test_p3_the_source_has_its_own_login(self, checkout: Path) -> None:
        source = {"source-username": "reader", "source-password": "read-only-token"}
        planned = plan("docker-push", checkout, {**self.WITH, **LOGIN, **source})
        assert {(login.host, login.username) for login in planned.logins} == {
            ("staging.io", "reader"),
            ("ghcr.io", "me"),
        }

    def test_p5_every_spelling_of_true_pulls(self, checkout: Path) -> None:
        planned = plan("docker-push", checkout, {**self.WITH, "source": "staging.io/o/a:v1", "pull": "True"})
        assert planned.inputs["pull"] in ("True", "true")
        assert planned.outputs["SOURCE"].startswith("staging.io/o/a@")

    def test_p8_the_whole_image_is_copied_by_digest_before_any_tag(self, checkout: Path) -> None:
        steps = plan("docker-push", checkout, self.WITH).steps
        copies = [step.words[-1] for step in steps if step.words[:3] == ("regctl", "image", "copy")]
        assert copies == ["ghcr.io/o/a@<digest of staging.io/o/a:v1>"]
        last = [step for step in steps if step.action != "look up"][-1]
        assert (last.action, last.words) == ("tag", ("ghcr.io/o/a:latest",))
