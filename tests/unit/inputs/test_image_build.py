"""The inputs all image builders share, and the login everybody shares."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, ImageBuildInputs, InputError, Registry, Secret
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.runtime.exposure import Exposure


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(**inputs: str) -> ImageBuildInputs:
    given = {"image": "ghcr.io/org/app"} | inputs
    return read_inputs(ImageBuildInputs, {f"PLUGIN_{name.upper()}": text for name, text in given.items()})


def mistakes(**inputs: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(**inputs)
    return caught.value.lines()


@pytest.mark.parametrize(
    ("image", "tags", "targets"),
    [
        ("ghcr.io/org/app", "", ["latest"]),
        ("ghcr.io/org/app:v1", "", ["v1"]),
        ("ghcr.io/org/app", "v1\nv1.2\nlatest\n", ["v1", "v1.2", "latest"]),
        ("ghcr.io/org/app:v1", "v1, stable", ["v1", "stable"]),
        ("ghcr.io/org/app", "feat/login v1", ["feat-login", "v1"]),
    ],
)
def test_what_is_published(image: str, tags: str, targets: list[str]) -> None:
    assert [str(each) for each in build(image=image, tags=tags).targets(Ci())] == [
        f"ghcr.io/org/app:{tag}" for tag in targets
    ]


def test_several_images_have_the_same_tags_beside_their_own() -> None:
    several = build(image="ghcr.io/org/app:edge\nquay.io/org/app", tags="v1")
    assert list(map(str, several.targets(Ci()))) == [
        "ghcr.io/org/app:edge",
        "ghcr.io/org/app:v1",
        "quay.io/org/app:v1",
    ]
    without = build(image="ghcr.io/org/app:edge, quay.io/org/app")
    assert [each.tag for each in without.targets(Ci())] == ["edge", "latest"]
    digest = "sha256:" + "0" * 64
    assert several.published(digest, several.targets(Ci())) == {
        "IMAGE": "ghcr.io/org/app",
        "IMAGES": "ghcr.io/org/app,quay.io/org/app",
        "DIGEST": digest,
        "IMAGE_DIGEST": digest,
        "REFERENCE": f"ghcr.io/org/app@{digest}",
        "TAGS": "edge,v1",
    }


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({"context": "app"}, 'with.dockerfile: "Dockerfile" in "app" is a link out of the workspace'),
        ({"secret_files": "npm=app/.npmrc"}, "with.secret-files: the file of item 1 is outside"),
        (
            {"secret_files": "npm=/proc/self/environ"},
            "with.secret-files: the file of item 1 is outside",
        ),
    ],
)
def test_no_link_in_the_checkout_leads_to_the_jobs_secrets(
    checkout: Path, inputs: dict[str, str], line: str
) -> None:
    (checkout / "app" / "Dockerfile").symlink_to("/proc/self/environ")
    (checkout / "app" / ".npmrc").symlink_to("/proc/self/environ")
    (said,) = mistakes(**inputs)
    assert said.startswith(line)


def test_build_secrets_are_secret() -> None:
    environ = {
        "PLUGIN_IMAGE": "ghcr.io/org/app",
        "PLUGIN_SECRET_ENVS": "npm=NPM_LOGIN\nPIP",
        "NPM_LOGIN": "x",
        "PIP": "y",
    }
    inputs = read_inputs(ImageBuildInputs, environ)
    assert inputs.secret_environ(environ) == {"NPM_LOGIN": Secret("x"), "PIP": Secret("y")}


def test_the_dockerfile_of_the_context_wins_over_the_workspaces(checkout: Path) -> None:
    assert build(context="app").find_dockerfile(checkout) == checkout / "Dockerfile"
    (checkout / "app" / "Dockerfile").write_text("FROM scratch\n")
    assert build(context="app").find_dockerfile(checkout) == checkout / "app" / "Dockerfile"


@pytest.mark.parametrize(
    ("inputs", "line"),
    [
        ({"build_args": "A=1\nNOT_THERE"}, "with.build-args: item 2 has no value"),
        ({"secret_envs": "npm=NOT_THERE"}, "with.secret-envs: the variable of item 1 is not in"),
        ({"secret_envs": "id=npm,env=NPM_TOKEN"}, "with.secret-envs: the variable of item 1 is not in"),
        ({"secret_files": "npm=nowhere"}, "with.secret-files: the file of item 1 is not"),
        ({"mirror": "a b"}, 'with.mirror: "a b" is not a host'),
        ({"mirror": "../hub"}, 'with.mirror: "../hub" is not a host'),
        ({"mirror": "m.example/../hub"}, 'with.mirror: "m.example/../hub" is not a host'),
        ({"mirror": "mirror.gcr.io", "mirror_username": "u"}, "with.mirror-password: is required"),
    ],
)
def test_what_the_build_would_miss_is_said_before_it(inputs: dict[str, str], line: str) -> None:
    (said,) = mistakes(**inputs)
    assert said.startswith(line)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"context": "nowhere"}, 'with.context: "nowhere" is not a directory in the workspace'),
        (
            {"dockerfile": "Other"},
            'with.dockerfile: "Other" is neither in the context "." nor in the workspace',
        ),
        ({"context": "/"}, 'with.context: "/" is outside the workspace'),
        (
            {"image": "app@sha256:" + "0" * 64},
            "with.image: has a digest, which is known only after the build",
        ),
        ({"tags": "a:b"}, 'with.tags: "a:b" is not a tag'),
        ({"output": "../app"}, 'with.output: "../app" is outside the workspace'),
        ({"output": "."}, 'with.output: "." names no file or directory'),
        ({"output": "Dockerfile"}, 'with.output: "Dockerfile" is a file'),
        (
            {"output": "dist", "push": "true"},
            "with.push: is for a registry, and `output` writes files instead",
        ),
        (
            {"output": "docker-archive:a.tar", "platforms": "linux/amd64,linux/arm64"},
            "with.output: a docker archive holds one platform",
        ),
        ({"username": "me"}, 'with.password: is required with "username"'),
        ({"password": "s3cret"}, 'with.username: is required with "password"'),
    ],
)
def test_what_is_wrong_is_known_before_anything_is_touched(inputs: dict[str, str], expected: str) -> None:
    (line,) = mistakes(**inputs)
    assert line.startswith(expected)


@pytest.mark.parametrize("key", ["labels", "annotations"])
def test_a_name_that_is_there_twice_would_lose_one_of_its_values(key: str) -> None:
    build(**{key: "a=1\nb=1"})
    assert mistakes(**{key: "a=1\nb=1\na=2"}) == [
        f"with.{key}: item 3 repeats an earlier name; leave one out"
    ]


def test_a_stage_that_is_not_there_is_known_before_the_build(checkout: Path) -> None:
    path = checkout / "Dockerfile"
    path.write_text("FROM busybox AS Build\nFROM scratch\n")
    for target in ("build", "BUILD", "0", "1"):
        build(target=target)
    assert mistakes(target="buid") == ['with.target: there is no stage "buid"; did you mean "build"?']
    assert mistakes(target="2") == ['with.target: there is no stage "2"; name one of the Dockerfile']
    path.write_text("# syntax=example.com/frontend\nFROM scratch\n")  # what that calls a stage, it knows
    build(target="buid")


def test_the_login_is_the_images_registrys_unless_another_is_named() -> None:
    login = {"username": "me", "password": "s3cret"}
    hub, ghcr = Registry.parse("docker.io"), Registry.parse("ghcr.io")
    (credential,) = build(**login).credentials(ghcr)
    assert (credential.registry, credential.username, credential.password) == (ghcr, "me", Secret("s3cret"))
    Path("Dockerfile").write_text("FROM alpine\n")
    (credential,) = build(**login, registry="index.docker.io").credentials(ghcr)
    assert credential.registry == hub
    assert not build().credentials(ghcr)


PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh/+G9w0B\nEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----"
)


@pytest.mark.parametrize("text", [f"KEY={PEM}", PEM, 'SA={\n  "private_key_id": "MIIEvQIBADANBgkqh"\n}'])
def test_no_piece_of_a_value_of_several_lines_is_quoted(text: str) -> None:
    said = "".join(mistakes(build_args=text))
    assert "with.build-args: item " in said
    assert not [piece for piece in ("MIIEv", "EFAAS", "BEGIN") if piece in said]


@pytest.mark.parametrize(
    "value", ["canary-of-the-job", "https://u:canary-of-the-job@h/", "Y2FuYXJ5LW9mLXRoZS1qb2I=", None]
)
def test_a_build_argument_that_is_a_secret_of_the_job_is_refused(value: str | None) -> None:
    """An image's history and provenance keep it."""
    environ = {"PLUGIN_IMAGE": "ghcr.io/org/app", "NPM_TOKEN": "canary-of-the-job", "SHORT_TOKEN": "a"}
    given = "A=a\nNPM_TOKEN" if value is None else f"A=a\nB={value}"
    with pytest.raises(InputError) as caught:
        read_inputs(ImageBuildInputs, environ | {"PLUGIN_BUILD_ARGS": given})
    (line,) = caught.value.lines()
    assert line.startswith("with.build-args: item 2 holds a secret of the job")
    assert "canary" not in line


@pytest.mark.parametrize("text", ["canary-of-the-job", "of-the-job", "Y2FuYXJ5LW9mLXRoZS1qb2I="])
@pytest.mark.parametrize("key", ["build_args", "labels", "annotations"])
def test_a_part_of_one_is_refused_in_all_that_an_image_keeps(key: str, text: str) -> None:
    environ = {
        "NPM_TOKEN": "canary-of-the-job",
        f"PLUGIN_{key.upper()}": f"A={text}",
        "PLUGIN_IMAGE": "a.b/c",
    }
    with pytest.raises(InputError) as caught:
        read_inputs(ImageBuildInputs, environ)
    (line,) = caught.value.lines()
    assert line.startswith(f"with.{key.replace('_', '-')}: item 1 holds a secret of the job")


@pytest.mark.parametrize("key", ["labels", "annotations"])
@pytest.mark.parametrize("text", ["{{sha}}", "on {{ date 'YYYY' }}", "{{{version}}}"])
def test_an_expression_of_tags_is_not_published_as_text(key: str, text: str) -> None:
    (line,) = mistakes(**{key: f"a=b\nmy.text={text}"})
    assert line.startswith(f"with.{key}: item 2 ")
    assert "tags" in line


@pytest.mark.parametrize("text", ["{{ .Values.tag }}", "{{#if x}}", "{{name}}", "{sha}", "${{ sha }}", "{{"])
def test_other_templates_are_texts(text: str) -> None:
    assert build(labels=f"a={text}", annotations=f"a={text}").labels == (f"a={text}",)


def test_and_so_is_the_password_that_is_an_input() -> None:
    (line,) = mistakes(username="u", password="canary-password", build_args="X=canary-password")
    assert line.startswith("with.build-args: item 1 holds a secret")


class TestLogin:
    """A login that fits no image of the job is a mistake; the Dockerfile's images are the job's too."""

    LOGIN = {"username": "me", "password": "hunter2-hunter2", "registry": "quay.io"}

    def test_fits_nothing(self) -> None:
        (line,) = mistakes(**self.LOGIN)
        assert line.startswith("with.registry: ")

    @pytest.mark.parametrize("text", ["FROM quay.io/a/b", "FROM scratch\nCOPY --from=quay.io/a/b /x /"])
    def test_fits_an_image_of_the_dockerfile(self, checkout: Path, text: str) -> None:
        (checkout / "Dockerfile").write_text(f"{text}\n")
        build(**self.LOGIN)

    def test_fits_the_mirror(self) -> None:
        build(**self.LOGIN, mirror="quay.io/hub")

    def test_what_cannot_be_known_is_no_mistake_and_is_told(self, checkout: Path) -> None:
        (checkout / "Dockerfile").write_text("ARG BASE\nFROM $BASE\n")
        assert build(**self.LOGIN).login_note({}, checkout)
        assert build(**self.LOGIN, build_args="BASE=quay.io/a/b").login_note({}, checkout) is None
        assert mistakes(**self.LOGIN, build_args="BASE=ghcr.io/a/b")


class TestSecretFiles:
    """A secret is one, whether a file or a variable brings it."""

    TOKEN = "npm_Zq8vT4mKp2Lx9Rw7Nc3Y"
    NPMRC = (
        f"registry=https://registry.npmjs.org/\n//registry.npmjs.org/:_authToken={TOKEN}\nstrict-ssl=true\n"
    )

    @pytest.fixture(autouse=True)
    def files(self, checkout: Path) -> None:
        (checkout / ".npmrc").write_text(self.NPMRC)
        (checkout / "token").write_text(f"{self.TOKEN}\n")
        (checkout / "short").write_text("hunter2hunter2\n")
        (checkout / "key.p12").write_bytes(b"\0" + self.TOKEN.encode())

    @pytest.mark.parametrize("path", [".npmrc", "token"])
    @pytest.mark.parametrize("key", ["build_args", "labels"])
    def test_what_the_image_keeps_must_not_have_it(self, path: str, key: str) -> None:
        (line,) = mistakes(secret_files=f"npm={path}", **{key: f"a={self.TOKEN}"})
        assert line.startswith(f"with.{key.replace('_', '-')}: item 1 holds a secret")
        assert self.TOKEN not in line

    def test_a_short_one_that_is_all_of_the_file_counts(self) -> None:
        assert mistakes(secret_files="pw=short", build_args="A=hunter2hunter2")

    def test_an_address_in_it_is_no_secret(self) -> None:
        build(secret_files="npm=.npmrc", build_args="REGISTRY=https://registry.npmjs.org/")

    def test_what_is_no_text_is_only_mounted(self, checkout: Path) -> None:
        assert build(secret_files="key=key.p12").secrets({}, checkout) == {}

    def test_the_pushed_image_is_searched_for_it(self, checkout: Path) -> None:
        secrets = build(secret_files="npm=.npmrc").secrets({}, checkout)
        assert Exposure(secrets).held_in(f"RUN echo {self.TOKEN}") == ["the secret file npm"]
        assert not Exposure(secrets).held_in("RUN npm config set registry=https://registry.npmjs.org/")

    def test_the_log_hides_it(self, checkout: Path) -> None:
        masked: list[str] = []
        job: Any = SimpleNamespace(workspace=checkout, mask=masked.append, environ={})
        build(secret_files="npm=.npmrc").prepared(job)
        assert masked == [self.NPMRC, self.TOKEN]


class TestALoginThatCannotBeSent:
    """It is a mistake of one line, not an error of the program."""

    @pytest.mark.parametrize("password", ["pass\udcffword", "pass\x07word"])
    def test_the_password_of_a_line_of_logins(self, password: str) -> None:
        environ = {"PLUGIN_IMAGE": "ghcr.io/org/app", "PLUGIN_LOGINS": "ghcr.io bob GH", "GH": password}
        with pytest.raises(InputError) as caught:
            read_inputs(ImageBuildInputs, environ)
        (line,) = caught.value.lines()
        assert line.startswith("with.logins: the secret of item 1 contains ")
        assert "word" not in line.partition("password")[0]

    def test_a_password_of_several_lines_can(self) -> None:
        environ = {"PLUGIN_IMAGE": "ghcr.io/org/app", "PLUGIN_LOGINS": "ghcr.io bob GH", "GH": "{\n\t1\n}\n"}
        (found,) = read_inputs(ImageBuildInputs, environ).all_credentials
        assert found.password == Secret("{\n\t1\n}")

    @pytest.mark.parametrize(
        ("inputs", "key"),
        [
            ({"username": "a:b", "password": "p"}, "username"),
            ({"username": "a", "password": "line\x07line"}, "password"),
            ({"mirror": "m.example", "mirror_username": "a:b", "mirror_password": "p"}, "mirror-username"),
            ({"mirror": "m.example", "mirror_username": "a", "mirror_password": "p\x1bq"}, "mirror-password"),
        ],
    )
    def test_an_input(self, inputs: dict[str, str], key: str) -> None:
        (line,) = mistakes(**inputs)
        assert line.startswith(f"with.{key}: ")
