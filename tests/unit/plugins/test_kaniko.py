"""The kaniko plugin's decisions, without kaniko: inputs, argv, environment, what it refuses."""

from __future__ import annotations

import io
import sys
import tempfile
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, ContainerError, InputError, RegistryClient, Secret
from gocdnext_sdk.errors import report
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing.fake_registry import FakeRegistry
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.tools.dockerfile import parse

PLUGINS = Path(__file__).parents[3] / "plugins"
plugin = load_plugin(PLUGINS / "kaniko")
kaniko = sys.modules[plugin.__module__]
PACKAGE = plugin.__module__.rpartition(".")[0]
preflight = import_module(f"{PACKAGE}.preflight")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(environ: dict[str, str] | None = None, **inputs: str) -> Any:
    given = {"image": "ghcr.io/org/app"} | inputs
    variables = {f"PLUGIN_{name.upper()}": text for name, text in given.items()}
    return read_inputs(plugin.inputs, variables | (environ or {}))


def mistakes(environ: dict[str, str] | None = None, **inputs: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(environ, **inputs)
    return caught.value.lines()


def build(environ: dict[str, str] | None = None, **inputs: str) -> Any:
    scratch = Path(tempfile.mkdtemp(dir=Path.cwd().parent))
    job = SimpleNamespace(
        environ=environ or {},
        workspace=Path.cwd(),
        scratch=lambda: scratch,
        ci=Ci.of(environ or {}, Path.cwd()),
        registry=lambda logins, insecure: RegistryClient(transport=FakeRegistry("ghcr.io")),
        warn=lambda message: None,
    )
    return kaniko.KanikoBuild(read(environ, **inputs), job)


def argv(environ: dict[str, str] | None = None, **inputs: str) -> list[str]:
    return list(build(environ, **inputs).command(Path("/s/digest")))


class TestArgv:
    def test_the_defaults(self, workspace: Path) -> None:
        assert argv() == [
            f"--context=dir://{workspace}",
            f"--dockerfile={workspace}/Dockerfile",
            "--destination=ghcr.io/org/app:latest",
            "--digest-file=/s/digest",
            "--ignore-path=/gocdnext",
            f"--ignore-path={workspace}",
            "--label=org.opencontainers.image.title=app",
            "--snapshot-mode=full",
            "--push-retry=3",
            "--image-download-retry=3",
            "--verbosity=info",
            "--log-format=text",
        ]

    def test_every_tag_is_a_destination_and_the_images_own_is_one_of_them(self) -> None:
        found = [
            each for each in argv(image="org/app:v1", tags="v1.0\nfeat/x") if each.startswith("--destination")
        ]
        assert found == [f"--destination=docker.io/org/app:{tag}" for tag in ("v1", "v1.0", "feat-x")]

    def test_several_tags_are_left_to_us_and_one_is_kanikos(self, workspace: Path) -> None:
        ours = {"--no-push", f"--oci-layout-path={workspace}/.gocdnext-image"}
        assert ours <= set(argv(tags="v1 latest"))
        assert not ours & set(argv(tags="v1"))
        assert ours <= set(argv(tags="v1", immutable_tags="v*"))  # which is looked at again before it is set
        assert not ours & set(argv(image="quay.io/org/app", tags="v1 latest"))  # it lets us in nowhere

    def test_a_candidate_is_left_to_us_whatever_its_tags(self, workspace: Path) -> None:
        ours = {"--no-push", f"--oci-layout-path={workspace}/.gocdnext-image"}
        assert ours <= set(argv(push_by_digest="true"))
        assert ours <= set(argv(push_by_digest="true", tags="v1 latest"))

    def test_a_layout_is_written_and_nothing_pushed(self, workspace: Path) -> None:
        found = argv(output="dist/app.tar", cache="true")
        assert {"--no-push", f"--oci-layout-path={workspace}/.gocdnext-image"} <= set(found)
        assert "--no-push-cache" not in found
        assert "--no-push-cache" in argv(output="dist/app.tar", cache="true", push="false")

    def test_build_arguments_are_one_word_each_and_their_values_are_elsewhere(self) -> None:
        tricky = "A=1 --destination=evil.io/x:1\nB=x *\nC=a,b=\"c\" 'd'\nD=--no-push\nE="
        assert [each for each in argv(build_args=tricky) if each.startswith("--build-arg")] == [
            f"--build-arg={key}" for key in "ABCDE"
        ]
        environ = build(build_args=tricky).environ
        assert {key: environ[key] for key in "ABCDE"} == {
            "A": "1 --destination=evil.io/x:1",
            "B": "x *",
            "C": "a,b=\"c\" 'd'",
            "D": "--no-push",
            "E": "",
        }

    @pytest.mark.parametrize("key", ["PATH", "HTTP_PROXY", "FF_KANIKO_X", "KANIKO_NO_PUSH", "DOCKER_CONFIG"])
    def test_an_argument_that_would_steer_kaniko_itself_stays_out_of_its_environment(self, key: str) -> None:
        assert f"--build-arg={key}=x" in argv(build_args=f"{key}=x")
        assert key not in build(build_args=f"{key}=x").environ

    @pytest.mark.parametrize(
        ("image", "repo", "expected"),
        [
            ("ghcr.io/org/app:v1", "", "ghcr.io/org/app/cache"),
            ("org/app:v1", "", "docker.io/org/app-cache"),
            ("org/app", "ghcr.io/org/cache", "ghcr.io/org/cache"),
        ],
    )
    def test_the_cache_is_a_repository_that_can_be(self, image: str, repo: str, expected: str) -> None:
        words = argv(image=image, cache="true", cache_repo=repo)
        assert [each for each in words if each.startswith("--cache")] == [
            "--cache",
            f"--cache-repo={expected}",
            "--cache-ttl=336h",
        ]

    def test_without_a_push_nothing_is_written_the_cache_included(self) -> None:
        words = argv(push="false", cache="true")
        assert {"--no-push", "--no-push-cache", "--cache"} <= set(words)

    def test_secrets_go_by_name_and_file(self, workspace: Path) -> None:
        (workspace / "npmrc").touch()
        words = argv({"T": "x"}, secret_envs="npm=T\nT", secret_files="rc=npmrc")
        assert [each for each in words if each.startswith("--secret")] == [
            "--secret=id=npm,type=env,env=T",
            "--secret=id=T,type=env,env=T",
            f"--secret=id=rc,type=file,src={workspace}/npmrc",
        ]

    def test_the_dockerfile_of_the_context_wins(self, workspace: Path) -> None:
        (workspace / "app").mkdir()
        assert f"--dockerfile={workspace}/Dockerfile" in argv(context="app")
        (workspace / "app" / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
        assert f"--dockerfile={workspace}/app/Dockerfile" in argv(context="app")

    def test_the_rest(self, workspace: Path) -> None:
        (workspace / "Dockerfile").write_text("FROM scratch AS test\nCOPY a /\n")
        words = argv(
            target="test",
            platforms="linux/aarch64",
            labels="a=b c",
            mirror="https://mirror.gcr.io/",
            reproducible="yes",
            cache="true",
            cache_copy_layers="true",
        )
        expected = {"--target=test", "--custom-platform=linux/arm64", "--label=a=b c", "--reproducible"}
        assert expected | {"--registry-mirror=mirror.gcr.io", "--cache-copy-layers"} <= set(words)

    @pytest.mark.parametrize("scheme", ["http", "HTTP"])
    def test_a_mirror_without_tls_is_one_for_kaniko_too(self, scheme: str) -> None:
        words = argv(mirror=f"{scheme}://mirror.example:5000/hub/")
        assert "--registry-mirror=mirror.example:5000/hub" in words
        assert "--insecure-registry=mirror.example:5000" in words


class TestEnvironment:
    def test_it_builds_as_docker_does_unless_the_job_says_otherwise(self) -> None:
        assert build().environ["FF_KANIKO_COPY_AS_ROOT"] == "true"
        job = {"FF_KANIKO_COPY_AS_ROOT": "false"}
        assert "FF_KANIKO_COPY_AS_ROOT" not in build(job).environ
        assert set(filter(kaniko.INHERITED.fullmatch, job)) == {"FF_KANIKO_COPY_AS_ROOT"}

    def test_it_sees_cloud_logins_and_none_of_the_jobs_other_secrets(self) -> None:
        job = dict.fromkeys(("AWS_ROLE_ARN", "GHCR_TOKEN", "PLUGIN_PASSWORD", "KANIKO_NO_PUSH"), "x")
        assert set(filter(kaniko.INHERITED.fullmatch, job)) == {"AWS_ROLE_ARN"}

    def test_the_login_of_docker_hub_has_the_key_kaniko_looks_for(self) -> None:
        config = read(image="org/app", username="u", password="p").all_credentials.docker_config()
        assert isinstance(config, Secret)
        assert '"https://index.docker.io/v1/"' in config.reveal()


class TestMistakes:
    @pytest.mark.parametrize(
        ("inputs", "line"),
        [
            (
                {"platforms": "linux/amd64,linux/arm64"},
                "with.platforms: kaniko builds for one platform at a time",
            ),
            ({"platforms": "arm64"}, 'with.platforms: "arm64" is not a platform'),
            ({"cache": "true", "cache_repo": "ghcr.io/o/c:v1"}, "with.cache-repo: has a tag"),
            ({"cache_repo": "ghcr.io/o/c"}, 'with.cache-repo: has no effect without "cache"'),
            ({"cache": "maybe"}, 'with.cache: "maybe" is not a boolean'),
            ({"cache": "true", "cache_ttl": "2 weeks"}, "with.cache-ttl: "),
            ({"snapshot_mode": "tme"}, 'with.snapshot-mode: "tme" is not one of'),
            ({"labels": "novalue"}, "with.labels: item 1 has no value"),
            (
                {"build_args": "HTTPS_PROXY=http://u:p@proxy"},
                'with.build-args: "HTTPS_PROXY" also configures kaniko',
            ),
            ({"dockerfile": "nowhere"}, 'with.dockerfile: "nowhere" is neither'),
        ],
    )
    def test_are_said_where_they_are(self, inputs: dict[str, str], line: str) -> None:
        (said,) = mistakes(**inputs)
        assert said.startswith(line)

    def test_of_the_dockerfile_come_all_at_once_with_their_lines(self, workspace: Path) -> None:
        (workspace / "build").mkdir()
        (workspace / "build" / "app.Dockerfile").write_text(
            "FROM base\nRUN --mount=type=ssh git clone x\n\nADD --checksum=sha256:a x /\n"
        )
        first, second = mistakes(dockerfile="build/app.Dockerfile")
        where = "with.dockerfile: build/app.Dockerfile"
        advice = "mount a key as a secret, or clone before the build"
        assert first == f"{where}:2: RUN --mount=type=ssh: kaniko has no ssh agent; {advice}"
        assert second == f"{where}:4: ADD --checksum: kaniko does not check it; check it in a RUN"

    def test_a_dockerfile_that_cannot_be_read(self, workspace: Path) -> None:
        (workspace / "Dockerfile").write_text("FROM x\nRUN <<EOF\n")
        assert mistakes() == ['with.dockerfile: Dockerfile: line 2: the here-document "EOF" does not end']

    def test_files_for_the_folder_of_the_checkout_would_be_lost(self, workspace: Path) -> None:
        folder = kaniko.container.mount_of(workspace) / "in"
        (workspace / "Dockerfile").write_text(f"FROM x\nCOPY . {folder}/\n")
        (said,) = mistakes()
        assert said.startswith(f"with.dockerfile: Dockerfile:2: COPY to {folder}: kaniko leaves")


def refused(text: str, **known: Any) -> list[str]:
    found = preflight.unsupported(parse(text), preflight.Known(**known))
    return [f"{each.line}: {each.what}; {each.advice}" for each in found]


class TestPreflight:
    def test_an_entrypoint_takes_the_command_of_the_stage_below_away(self) -> None:
        stages = 'FROM y AS one\nCMD ["x"]\nFROM one\nENTRYPOINT ["y"]\n'
        (line,) = refused(stages)
        assert line.startswith("4: ENTRYPOINT takes the CMD of one away")
        assert refused(f"{stages}CMD []\n") == []

    @pytest.mark.parametrize(
        "text",
        [
            "RUN --mount=type=cache,target=/c make",
            "RUN --mount=target=/src make",
            "RUN --mount=type=bind,from=context,target=/src make",
            "RUN --mount=type=secret,id=npm make",
            "RUN --mount=type=secret,id=npm,required=true make",
            "RUN --mount=type=secret,ID=npm,Required make",
            "RUN --mount=type=secret,destination=/run/npm,required=1 make",
            "RUN --mount=type=secret,source=npm,target=/run/npm,required=true make",
            "RUN --mount=type=secret,id=other,required=False make",
            "RUN --mount=type=secret,target=/run/$NAME,required make",
            "RUN --network=default --security=sandbox make",
            "RUN <<EOF\necho 1\nEOF",
            "RUN sh -e <<'EOF'\necho 1\nEOF",
            "RUN cat <<-EOF > /x && cat <<'Q' > /y\na\nEOF\nb\nQ",
            "COPY --link --chmod=755 --chown=1:1 a b /x/",
            "COPY --from=0 /usr/ /usr/",
            "COPY --parents=False a b /x/",
            "COPY <<'EOF' /x\n#!/bin/sh\nEOF",
            "ADD https://example.com/app.tar.gz /x",
            "COPY . /workspaces/app",
        ],
    )
    def test_what_kaniko_does_is_not_refused(self, text: str) -> None:
        left_out = (PurePosixPath("/workspace"),)
        assert (
            refused(f"# syntax=docker/dockerfile:1\nFROM x\n{text}", secrets={"npm"}, left_out=left_out) == []
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("RUN --mount=type=ssh x", "kaniko has no ssh agent"),
            ("RUN --mount=type=tmpfs,target=/t x", "without it"),
            ("RUN --mount=from=build,target=/b x", "another stage"),
            ("RUN --mount=type=cache,from=build,target=/b x", "empty cache"),
            ("RUN --mount=type=secret,id=npm,required x", '"npm" is required'),
            ("RUN --mount=type=secret,target=/run/npm,required=true x", '"npm" is required'),
            ("RUN --mount=Type=SSH x", "kaniko has no ssh agent"),
            ("RUN --mount=TYPE=tmpfs,target=/t x", "without it"),
            ("RUN --mount=From=build,target=/b x", "another stage"),
            ("RUN --mount=type=cache,target=/c,FROM=build x", "empty cache"),
            ("RUN --mount=type=secret,id=npm,required=1 x", '"npm" is required'),
            ("RUN --mount=type=secret,id=npm,Required=True x", '"npm" is required'),
            ("RUN --mount=type=secret,id=npm,required=$X x", '"npm" is required'),
            ("RUN --mount=type=secret,src=npm x", "kaniko takes the name of a secret from id= or target="),
            ("RUN --mount=type=secret,src=npm,target=/run/other x", "write id=npm"),
            ("RUN --mount=type=$KIND,target=/x x", "its type is in a variable"),
            ("RUN --mount=type=cash,target=/x x", '"cash"'),
            ("RUN --mount=target=. x", "kaniko takes it from /"),
            ("RUN --mount=type=cache,target=c x", "kaniko takes it from /"),
            ("RUN --mount=type=secret,id=npm,target=c x", "kaniko takes it from /"),
            ("RUN --network=none x", "--network=none: kaniko runs the step without it"),
            ("RUN --security=insecure x", "--security=insecure"),
            ("RUN --device=gpu x", "--device=gpu"),
            ("RUN <<'EOF'\nx\nEOF", "kaniko runs nothing; name a shell: RUN sh <<'EOF'"),
            ("RUN <<-EOF\n\tx\n\tEOF", "kaniko runs nothing"),
            ("RUN << EOF\nx\nEOF", "kaniko runs nothing"),
            ("RUN <<EOF\na=1; echo $a\nEOF", "expand it before it runs; name a shell: RUN sh <<'EOF'"),
            ("RUN <<EOF\necho `id`\nEOF", "expand it"),
            ("RUN <<EOF\nprintf 'a\\n'\nEOF", "expand it"),
            ("RUN <<EOF\n#!/usr/bin/env python3\nEOF", "name the program: RUN python3 <<'EOF'"),
            ("RUN <<EOF\n#!/bin/bash -e\nEOF", "name the program: RUN /bin/bash <<'EOF'"),
            ("\\", "is not an instruction"),
            ("COPY --parents a/b /", "without the parent folders"),
            ("COPY --exclude=*.md . /x", "the excluded files too"),
            ("ADD --keep-git-dir=true https://x.io/a.git /", "does not clone"),
            ("ADD https://github.com/a/b.git#main /x", "ADD of a git repository"),
            ("ADD git@github.com:a/b.git /x", "ADD of a git repository"),
            ("COPY --from=0 / /", "of a whole stage"),
            ("COPY a ../b /x/", "above the context"),
            ("VOLUME /v\nRUN echo > /v/x", "behind VOLUME /v"),
            ("VOLUME /v\nCOPY a /v/x/", "behind VOLUME /v"),
            ('VOLUME ["/a", "/v/"]\nRUN touch /v', "behind VOLUME /v"),
            ("ADD a/../.. /x/", "above the context"),
            ("COPY a /workspace/b", "COPY to /workspace/b"),
            ("WORKDIR /workspace\nCOPY a .", "WORKDIR to /workspace"),
            ("WORKDIR /\nWORKDIR workspace", "WORKDIR to /workspace"),
            ('ADD ["a", "/workspace/b c"]', "ADD to /workspace/b c"),
        ],
    )
    def test_what_it_does_not_is_refused_with_its_line(self, text: str, said: str) -> None:
        found = refused(f"FROM x\n\n{text}", left_out=(PurePosixPath("/workspace"),))
        assert said in found[0]
        assert found[0].startswith(("3: ", "4: "))

    def test_what_a_stage_left_for_those_that_start_from_it_counts_in_these(self) -> None:
        text = (
            "FROM x AS unused\nONBUILD RUN --network=none x\n"
            "FROM x AS base\nONBUILD RUN --device=gpu x\nFROM base\n"
        )
        (said,) = refused(text)
        assert said.startswith("4: RUN --device=gpu")

    def test_another_frontend_is_refused(self) -> None:
        (said,) = refused("# syntax=tonistiigi/dockerfile:exp\nFROM x")
        assert said == "1: syntax=tonistiigi/dockerfile:exp: kaniko has no frontends; build it with buildx"
        assert refused("FROM x", arguments={"BUILDKIT_SYNTAX": "tonistiigi/dockerfile:exp"}) == [said]

    def test_only_stages_that_are_built_count(self) -> None:
        text = (
            "ARG V=1\nFROM a AS dev\nRUN --mount=type=ssh x\n"
            "FROM a AS Files\nRUN --mount=type=tmpfs,target=/t x\n"
            "FROM a AS base\nRUN --network=none x\n"
            "FROM base AS app\nCOPY --from=files /a /a\n"
            "FROM base AS last\nRUN --device=gpu x\n"
        )
        lines = {target: [int(each.split(":")[0]) for each in refused(text, target=target)] for target in
                 ("dev", "APP", "last", None, "base", "1")}  # fmt: skip
        assert lines == {"dev": [3], "APP": [5, 7], "last": [7, 11], None: [7, 11], "base": [7], "1": [5]}

    @pytest.mark.parametrize(("given", "line"), [({}, 3), ({"V": "two"}, 5), ({"U": "two"}, 5)])
    def test_the_stage_below_may_be_in_a_variable(self, given: dict[str, str], line: int) -> None:
        stages = "FROM a AS one\nRUN --device=x x\nFROM a AS two\nRUN --device=x x\n"
        (said,) = refused(f'ARG U=one V=$U\n{stages}FROM "$V"\n', arguments=given)
        assert said.startswith(f"{line}: ")

    def test_one_whose_value_is_not_known_may_be_any_that_fits(self) -> None:
        text = (
            "FROM a AS App-amd64\nRUN --device=x x\nFROM a AS dev\nRUN --device=x x\nFROM app-$TARGETARCH\n"
        )
        (said,) = refused(text)
        assert said.startswith("2: ")

    def test_what_is_copied_by_what_a_stage_left_is_built_too(self) -> None:
        text = "FROM a AS one\nRUN --device=x x\nFROM a AS two\nONBUILD COPY --from=one /x /x\n"
        assert refused(text) == []
        (said,) = refused(f"{text}FROM two\n")
        assert said.startswith("2: ")


class TestContext:
    @pytest.fixture
    def linked(self, workspace: Path) -> Path:
        (workspace / "real").mkdir()
        (workspace / "real" / "a.txt").write_text("A")
        (workspace / "folder").symlink_to("real")
        (workspace / "b.txt").symlink_to("real/a.txt")
        return workspace

    @pytest.fixture
    def ignored(self, workspace: Path) -> Path:
        for path in ("a.txt", "b", "dir/deep/one"):
            (workspace / path).parent.mkdir(parents=True, exist_ok=True)
            (workspace / path).touch()
        return workspace

    @pytest.mark.parametrize(
        ("instruction", "link"),
        [
            ("COPY b.txt /x", "b.txt"),
            ("COPY /b.txt /x", "b.txt"),
            ("ADD folder /x/", "folder"),
            ("COPY folder/ /x/", "folder"),
            ("COPY folder/a.txt /x", "folder"),
            ("COPY *.txt /x/", "b.txt"),
            ('COPY ["real", "b.txt", "/x/"]', "b.txt"),
            ("ONBUILD USER x\nCOPY --chown=1 b.txt /x", "b.txt"),
        ],
    )
    def test_a_source_that_is_a_link_is_refused(self, linked: Path, instruction: str, link: str) -> None:
        (linked / "Dockerfile").write_text(f"FROM scratch AS a\n{instruction}\n")
        (said,) = mistakes()
        assert f": {link} is a link" in said

    @pytest.mark.parametrize(
        "instruction",
        [
            "COPY . /x/",
            "COPY real /x",
            "COPY --from=a /b.txt /x",
            "COPY $LINK /x",
            "ADD https://x.io/b.txt /x",
            "COPY <<b.txt /x\nb.txt",
            "COPY a**b /x/",
        ],
    )
    def test_one_that_is_not_is_fine(self, linked: Path, instruction: str) -> None:
        (linked / "Dockerfile").write_text(f"FROM scratch AS a\nFROM scratch\n{instruction}\n")
        assert argv()

    def test_the_context_may_be_one(self, linked: Path) -> None:
        (linked / "real" / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        assert f"--context=dir://{linked}/real" in argv(context="folder")

    def test_what_is_below_an_excluded_folder_is_excluded(self, workspace: Path) -> None:
        (workspace / ".dockerignore").write_text("# c\n**/test\n!/a/b/\n**x\n/\n")
        dockerfile = Path(build().dockerfile)
        assert dockerfile.read_text() == (workspace / "Dockerfile").read_text()
        patterns = dockerfile.with_name("Dockerfile.dockerignore").read_text().split()
        assert patterns == [
            *("**/test", "**/test/**", "!a/b", "!a/b/**", "**x", "**/*x/**", "/"),
        ]

    def test_what_is_taken_in_again_counts_where_something_was_left_out(self, workspace: Path) -> None:
        """Which is how BuildKit reads it: the second pattern makes no difference to `keep` itself."""
        for path in ("keep/x.log", "keep/y", "gone/keep/x"):
            (workspace / path).parent.mkdir(parents=True, exist_ok=True)
            (workspace / path).touch()
        (workspace / ".dockerignore").write_text("**/*.log\n!keep\ngone\n!gone/keep\n")
        text = Path(build().dockerfile).with_name("Dockerfile.dockerignore").read_text()
        assert text.split()[-1] == "keep/x.log"

    @pytest.mark.parametrize(
        ("patterns", "instruction", "source"),
        [
            ("*.txt", "COPY a.txt b /x/", "a.txt"),
            ("dir", "COPY dir /x/", "dir"),
            ("dir", "ADD ./dir/deep/one /x", "./dir/deep/one"),
            ("*\n!b", 'COPY ["b", "/dir/deep", "/x/"]', "/dir/deep"),
            ("**/deep", "ONBUILD USER x\nCOPY dir/deep/ /x/", "dir/deep/"),
        ],
    )
    def test_a_source_that_is_left_out_is_refused(
        self, ignored: Path, patterns: str, instruction: str, source: str
    ) -> None:
        """As BuildKit does; kaniko copies the others without a word."""
        (ignored / ".dockerignore").write_text(patterns)
        (ignored / "Dockerfile").write_text(f"FROM scratch\n{instruction}\n")
        (said,) = mistakes()
        assert f" {source}: .dockerignore leaves it out" in said

    @pytest.mark.parametrize(
        ("patterns", "instruction"),
        [
            ("*.txt", "COPY . /x/"),
            ("*.txt", "COPY *.txt b /x/"),
            ("*.txt", "COPY $FILE b /x/"),
            ("dir/*", "COPY dir /x/"),
            ("dir\n!dir/deep/one", "COPY dir /x/"),
            ("**\n!**/one", "COPY dir/deep /x/"),
            ("*.txt", "COPY --from=a /a.txt /x"),
            ("*.txt", "COPY <<a.txt b /x/\na.txt"),
        ],
    )
    def test_one_of_which_something_is_left_is_fine(
        self, ignored: Path, patterns: str, instruction: str
    ) -> None:
        (ignored / ".dockerignore").write_text(patterns)
        (ignored / "Dockerfile").write_text(f"FROM scratch AS a\nFROM scratch\n{instruction}\n")
        assert argv()

    @pytest.mark.parametrize("pattern", ["[", "a\\", "!", "[]a]", r"\d", "a|b", "x{2}", "[z-a]"])
    def test_what_is_no_pattern_is_refused(self, workspace: Path, pattern: str) -> None:
        """Of which kaniko says something in its log, and takes in what was to be left out."""
        (workspace / ".dockerignore").write_text(f"ok\n{pattern}\n")
        (line,) = mistakes()
        assert line.startswith(f'with.context: .dockerignore:2: "{pattern}')

    def test_the_file_of_the_outputs_is_left_out(self, workspace: Path) -> None:
        file = workspace / ".gocdnext" / "outputs" / "1f3.env"
        file.parent.mkdir(parents=True)
        file.touch()
        environ = {"GOCDNEXT_OUTPUT_FILE": str(file)}

        def patterns() -> list[str]:
            return build(environ).dockerfile.with_name("Dockerfile.dockerignore").read_text().split()

        assert patterns() == [".gocdnext", ".gocdnext/**"]
        (workspace / ".gocdnext" / "ci.yaml").touch()
        assert patterns() == [".gocdnext/outputs", ".gocdnext/outputs/**"]
        (workspace / "Dockerfile.dockerignore").write_text("x")
        assert patterns() == ["x", "x/**", ".gocdnext/outputs", ".gocdnext/outputs/**"]
        assert list(workspace.glob("*.dockerignore")) == [workspace / "Dockerfile.dockerignore"]
        (workspace / "app").mkdir()
        elsewhere = build(environ, context="app").dockerfile.with_name("Dockerfile.dockerignore")
        assert elsewhere.read_text().split() == ["x", "x/**"]

    @pytest.mark.parametrize("content", [b"", b"# only\n", b"\x7fELF\0\xff\n", b"FROM a\n\\", b"ARG X\n"])
    def test_a_dockerfile_that_is_none_is_said_to_be(self, workspace: Path, content: bytes) -> None:
        (workspace / "Dockerfile").write_bytes(content)
        assert all(line.startswith("with.dockerfile: Dockerfile:") for line in mistakes())


class TestMetadata:
    def test_tags_and_labels_come_from_the_run(self) -> None:
        run = {"CI_TAG_NAME": "v1.2.3", "CI_CAUSE": "tag", "CI_COMMIT_SHA": "0" * 40}
        found = argv(run, tags="type=semver,pattern={{major}}.{{minor}}")
        assert [each for each in found if each.startswith("--destination")] == [
            "--destination=ghcr.io/org/app:1.2",
            "--destination=ghcr.io/org/app:latest",
        ]
        assert "--label=org.opencontainers.image.version=1.2" in found
        assert f"--label=org.opencontainers.image.revision={'0' * 40}" in found

    def test_annotations_of_its_one_manifest(self) -> None:
        lines = "a=b\nmanifest:c=d=e\nmanifest[linux/arm64]:f=g"
        found = argv(annotations=lines, platforms="linux/arm64")
        assert [each for each in found if each.startswith("--annotation")] == [
            "--annotation=a=b",
            "--annotation=c=d=e",
            "--annotation=f=g",
        ]

    @pytest.mark.parametrize(
        "line", ["index:a=b", "index-descriptor:a=b", "manifest,index:a=b", "manifest[linux/amd64]:a=b"]
    )
    def test_other_levels_are_refused_by_name(self, line: str) -> None:
        (mistake,) = mistakes(annotations=line)
        assert mistake.startswith("with.annotations: ")


class TestDifferences:
    """Found by building the same with both; `tests/e2e/test_builders_agree.py` has them too."""

    @pytest.mark.parametrize(
        ("line", "refused"),
        [("ENV P=C:\\q", 1), ("COPY a `\n /x", 0), ("RUN echo \\n", 0), ("WORKDIR C:\\x", 1), ("ENV P=x", 0)],
    )
    def test_another_escape_is_one_only_at_the_end_of_a_line(
        self, workspace: Path, line: str, refused: int
    ) -> None:
        (workspace / "Dockerfile").write_text(f"# escape=`\nFROM scratch\n{line}\n")
        if refused:
            assert "Dockerfile:3" in " ".join(mistakes())
        else:
            read()

    def test_a_label_is_given_once(self, workspace: Path) -> None:
        (workspace / "Dockerfile").write_text('FROM scratch\nLABEL a=1 "b"=2\n')
        read(labels="c=3")
        assert "Dockerfile:2" in " ".join(mistakes(labels="b=3"))


def test_a_container_that_will_not_do_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaniko.container, "HOME", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    ((what, _),) = kaniko.container.lacks()
    assert what.endswith("runs as user 1000")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert list(kaniko.container.lacks(tmp_path)) == []
    monkeypatch.setattr("os.access", lambda *_: False)
    ((what, _),) = kaniko.container.lacks(tmp_path)
    assert "read-only" in what


def test_in_such_a_container_one_line_is_all_that_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaniko.container, "HOME", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    nothing: Any = SimpleNamespace()  # a job of which nothing can be used
    with pytest.raises(ContainerError) as caught:
        kaniko.Kaniko().run(read(), nothing)
    log = io.StringIO()
    assert report(caught.value, {}, log) == 2
    (line,) = log.getvalue().splitlines()
    assert "runs as user 1000" in line
    assert "runAsUser" in line


@pytest.mark.parametrize("key", ["network", "ssh-key", "builder", "call", "load", "sbom"])
def test_what_kaniko_cannot_do_is_refused_by_its_name(key: str) -> None:
    (line,) = mistakes(**{key.replace("-", "_"): "x"})
    assert line.startswith(f"with.{key}: is not possible here; ")


@pytest.mark.parametrize(("here", "there"), [("kaniko", "buildx"), ("buildx", "kaniko")])
def test_what_only_the_other_builder_takes_is_known_by_name(here: str, there: str) -> None:
    model, other = (load_plugin(PLUGINS / name).inputs for name in (here, there))
    unknown = other.model_fields.keys() - model.model_fields.keys()
    assert set(model.elsewhere) == {name.replace("_", "-") for name in unknown}


@pytest.mark.parametrize(
    ("given", "key", "what"),
    [
        ({"image": "ghcr.io/a"}, "image", "one character"),
        ({"image": "ghcr.io/org/app\nquay.io/b"}, "image", "quay.io/b"),
        ({"cache": "true", "cache_repo": "localhost:5000/c"}, "cache-repo", "one character"),
        ({"image": "localhost/app"}, "image", 'write "localhost:443/app"'),
        ({"image": f"ghcr.io/{'a' * 250}", "cache": "true"}, "cache", "longer than 255 characters"),
    ],
)
def test_a_name_that_kaniko_would_refuse_after_the_build_is_refused_before_it(
    given: dict[str, str], key: str, what: str
) -> None:
    (line,) = mistakes(**given)
    assert line.startswith(f"with.{key}: ")
    assert what in line


@pytest.mark.parametrize(
    "instructions",
    ["FROM localhost/base", "ARG B=localhost/base\nFROM $B", "FROM scratch\nCOPY --from=localhost/base /a /"],
)
def test_an_image_that_kaniko_would_look_for_at_docker_hub_is_refused(
    workspace: Path, instructions: str
) -> None:
    (workspace / "Dockerfile").write_text(f"{instructions}\n")
    (line,) = mistakes()
    assert line.startswith("with.dockerfile: names an image at localhost without a port")
    (workspace / "Dockerfile").write_text(f"{instructions.replace('localhost', 'localhost:443')}\n")
    assert read()


@pytest.mark.parametrize(
    "image", ["a", "ghcr.io/a/b", "ghcr.io/ab", "localhost:443/app", f"ghcr.io/{'a' * 250}"]
)
def test_a_name_that_kaniko_takes_is_taken(image: str) -> None:
    assert read(image=image)
