"""The buildx plugin's decisions, without buildx: inputs, caches, arguments, which builder."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gocdnext_sdk import Ci, InputError, RegistryClient
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.planning.placeholders import Placeholders
from gocdnext_sdk.host.planning.plan_run import plan_run
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.runtime.ci import PullRequest
from gocdnext_sdk.tools.buildkit.builders import Builder

PLUGIN = load_plugin(Path(__file__).parents[3] / "plugins" / "buildx")
buildx = sys.modules[PLUGIN.__module__]

IMAGE = "ghcr.io/org/app"
PROFILE = {"GOCDNEXT_LAYER_CACHE_BUCKET": "layers"}


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(*, env: dict[str, str] | None = None, **with_: str) -> Any:
    variables = {f"PLUGIN_{key.upper()}": value for key, value in {"image": IMAGE, **with_}.items()}
    return read_inputs(PLUGIN.inputs, variables | (env or {}))


def mistakes(*, env: dict[str, str] | None = None, **with_: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(env=env, **with_)
    return caught.value.lines()


def plan(*, env: dict[str, str] | None = None, ci: Ci | None = None, **with_: str) -> Any:
    return buildx.choose_caches(read(env=env, **with_), env or {}, ci or Ci())


def build(*, env: dict[str, str] | None = None, **with_: str) -> Any:
    scratch = Path(tempfile.mkdtemp(dir=Path.cwd().parent))
    job = SimpleNamespace(
        environ=env or {},
        workspace=Path.cwd(),
        scratch=lambda: scratch,
        ci=Ci.of(env or {}, Path.cwd()),
        registry=lambda logins, insecure: RegistryClient(transport=registries()),
    )
    return buildx.BuildxBuild(read(env=env, **with_), job)


def registries() -> FakeRegistry:
    registry = FakeRegistry("ghcr.io")
    registry.network = FakeNetwork({each: FakeRegistry(each) for each in ("ghcr.io", "quay.io")})
    return registry


def command(
    *, env: dict[str, str] | None = None, builder: str = "default", nodes: int = 1, **with_: str
) -> list[str]:
    return list(build(env=env, **with_).command(Builder(builder, frozenset(), nodes)))


def values(argv: list[str], flag: str) -> list[str]:
    return [value for name, value in pairwise(argv) if name == flag]


class TestWhatHasNoEffectHere:
    """One list of inputs may serve several jobs; the log says what this one does not use."""

    def test_a_candidate_gets_no_tags(self) -> None:
        note = read(push_by_digest="true", tags="1.0", flavor="latest=true").tags_note
        assert "push-by-digest" in note
        assert "tags, flavor" in note
        assert "v1" in read(push_by_digest="true", image=f"{IMAGE}:v1").tags_note
        assert read(tags="1.0").tags_note is None
        assert read(push_by_digest="true").tags_note is None

    def test_a_builder_has_its_own_settings(self) -> None:
        note = read(builder="tcp://build:1234", insecure_registries="ghcr.io").builder_note
        assert "insecure-registries" in note
        assert "builder" in note
        assert read(builder="tcp://build:1234").builder_note is None
        assert read(insecure_registries="ghcr.io").builder_note is None


class TestOutput:
    def test_a_file_is_written_and_nothing_pushed(self) -> None:
        argv = command(output="dist/app", tags="1.0", annotations="index:a=b", provenance="mode=max")
        workspace = Path.cwd()
        assert values(argv, "--output") == [f"type=oci,dest={workspace}/.gocdnext-image.tar"]
        assert (values(argv, "--tag"), values(argv, "--provenance")) == ([f"{IMAGE}:1.0"], ["mode=max"])
        assert not {"--load", "--push"} & set(argv)

    def test_a_name_is_no_must(self) -> None:
        assert values(command(output="dist/app"), "--tag") == []

    def test_caches_are_written_unless_nothing_may_be(self) -> None:
        assert plan(output="dist/app", cache="registry").targets
        assert not plan(output="dist/app", cache="registry", push="false").targets

    def test_what_was_written_stays_out_of_the_next_build(self) -> None:
        Path("dist").mkdir()
        Path("dist", "app.tar").touch()
        assert build(output="dist/app.tar").ignored(()) == (".gocdnext-image", ".gocdnext-image.tar", "dist")
        Path("dist", "other").touch()
        assert build(output="dist/app.tar").ignored(())[-1] == "dist/app.tar"

    @pytest.mark.parametrize("key", ["load", "push_by_digest"])
    def test_what_does_not_go_with_it_is_refused(self, key: str) -> None:
        (line,) = mistakes(output="dist/app", **{key: "true"})
        assert line.startswith(f"with.{key.replace('_', '-')}: does not go with `output`")
        assert mistakes(output="dist/app", call="check") == [
            "with.output: has no effect with call: check; leave it out"
        ]


class TestTags:
    def test_every_line_is_published(self) -> None:
        argv = command(tags="1.0\nfeat/x\nlatest\n")
        assert values(argv, "--tag") == [f"{IMAGE}:1.0", f"{IMAGE}:feat-x", f"{IMAGE}:latest"]

    def test_upstreams_separators_work_too(self) -> None:
        assert values(command(tags="1.0, 1 latest"), "--tag") == [
            f"{IMAGE}:{t}" for t in ("1.0", "1", "latest")
        ]

    def test_latest_is_the_default(self) -> None:
        assert values(command(), "--tag") == [f"{IMAGE}:latest"]


class TestWhereACacheIsWritten:
    """BuildKit exports the image and the cache; where both have one name, the last one is there."""

    @pytest.mark.parametrize(
        ("inputs", "key"),
        [
            ({"cache": IMAGE}, "cache"),
            ({"cache": IMAGE, "tags": "v1"}, "cache"),
            ({"cache": IMAGE, "push_by_digest": "true"}, "cache"),
            ({"cache": "registry", "tags": "v1 buildcache"}, "cache"),
            ({"cache_to": f"type=registry,ref={IMAGE}:v1", "tags": "v1"}, "cache-to"),
        ],
    )
    def test_no_tag_of_the_image_is(self, inputs: dict[str, str], key: str) -> None:
        (line,) = mistakes(**inputs)
        assert line.startswith(f"with.{key}: {IMAGE}:")
        assert "which the cache would replace" in line

    @pytest.mark.parametrize(
        "inputs",
        [
            {"cache": f"{IMAGE}:cache"},
            {"cache": f"{IMAGE}-cache"},
            {"cache": IMAGE, "push": "false"},
            {"cache_from": f"type=registry,ref={IMAGE}:v1", "tags": "v1"},
            {"cache": "inline"},
        ],
    )
    def test_elsewhere_or_only_read_it_may_be(self, inputs: dict[str, str]) -> None:
        command(**inputs)


class TestDestination:
    def test_nothing_stays_in_the_daemon(self) -> None:
        assert values(command(), "--output") == ["type=image,push=true,store=false"]

    def test_unless_asked_to(self) -> None:
        argv = command(load="true")
        assert values(argv, "--output") == ["type=image,push=true"]
        assert "--load" not in argv  # two exports of one name would get into each other's way

    def test_another_builder_has_to_hand_it_over_before_it_pushes(self) -> None:
        """BuildKit tells the digest of what it exports last; what is loaded has no attestations."""
        argv = command(load="true", builder="gocdnext-1")
        assert values(argv, "--output") == ["type=docker", "type=image,push=true,store=false"]

    def test_without_push_it_only_builds(self) -> None:
        assert values(command(push="no"), "--output") == ["type=cacheonly"]

    def test_a_candidate_has_no_tag(self) -> None:
        argv = command(push_by_digest="true", tags="1.0")
        assert values(argv, "--tag") == []
        assert "push-by-digest=true" in values(argv, "--output")[0]

    @pytest.mark.parametrize("load", ["false", "true"])
    def test_several_tags_are_set_after_all_content_where_the_builder_can_push_without(
        self, load: str
    ) -> None:
        several = {"image": f"{IMAGE}\nquay.io/org/app:edge", "tags": "v1", "load": load}
        *loaded, output = values(argv := command(builder="gocdnext-1", **several), "--output")
        assert output.startswith(f'type=image,"name={IMAGE},quay.io/org/app",push-by-digest=true')
        assert (values(argv, "--tag"), "--load" in argv) == ([], False)
        names = f"{IMAGE}:v1,quay.io/org/app:edge,quay.io/org/app:v1"
        assert loaded == ([f'type=docker,"name={names}"'] if load == "true" else [])

    @pytest.mark.parametrize(
        ("builder", "with_"),
        [
            ({"builder": "gocdnext-1"}, {"tags": "v1"}),
            ({"builder": "default"}, {"tags": "v1 v2"}),  # it cannot push without a tag
            ({"builder": "remote", "nodes": 2}, {"tags": "v1 v2"}),  # the joined index has to get a tag
        ],
    )
    def test_others_leave_them_to_buildx(self, builder: dict[str, Any], with_: dict[str, str]) -> None:
        argv = command(**builder, **with_)
        assert values(argv, "--tag") == [f"{IMAGE}:{each}" for each in with_["tags"].split()]
        assert values(argv, "--output") == ["type=image,push=true,store=false"]

    def test_a_candidate_is_pushed_to_every_repository(self) -> None:
        argv = command(image=f"{IMAGE}\nquay.io/org/app", push_by_digest="true")
        assert values(argv, "--output")[0].startswith(f'type=image,"name={IMAGE},quay.io/org/app",push')


def test_both_platforms_are_the_default() -> None:
    assert values(command(), "--platform") == ["linux/amd64,linux/arm64"]


def test_the_dockerfile_is_looked_up_in_the_context_first(checkout: Path) -> None:
    (checkout / "app").mkdir()
    assert values(command(context="app"), "--file") == [f"{checkout}/Dockerfile"]
    (checkout / "app" / "Dockerfile").touch()
    assert values(command(context="app"), "--file") == [f"{checkout}/app/Dockerfile"]


@pytest.mark.parametrize("folder", ["-", "github.com/org/repo"])
def test_a_folder_is_a_folder_whatever_it_is_called(checkout: Path, folder: str) -> None:
    (checkout / folder).mkdir(parents=True)
    assert command(context=folder)[1] == f"{checkout}/{folder}"


def test_build_arguments_are_named_only() -> None:
    argv = command(build_args="NPM_TOKEN=canary\nLDFLAGS=-s -w, -X a=b", env={"CI": "1"})
    assert values(argv, "--build-arg") == ["NPM_TOKEN", "LDFLAGS"]
    assert "canary" not in " ".join(argv)


def test_build_secrets_name_what_holds_them(checkout: Path) -> None:
    (checkout / "a,b").touch()
    argv = command(
        secret_envs="npm=NPM_TOKEN\nPIP", secret_files="rc=a,b", env={"NPM_TOKEN": "x", "PIP": "y"}
    )
    assert values(argv, "--secret") == ["id=npm,env=NPM_TOKEN", "id=PIP,env=PIP", 'id=rc,"src=a,b"']


class TestCache:
    def test_registry_is_beside_the_image(self) -> None:
        argv = command(cache="registry")
        ref = f"type=registry,ref={IMAGE}:buildcache"
        assert values(argv, "--cache-from") == [ref]
        assert values(argv, "--cache-to") == [f"{ref},mode=max,image-manifest=true,ignore-error=true"]

    def test_a_reference_of_its_own(self) -> None:
        assert values(command(cache="ghcr.io/org/cache"), "--cache-from") == [
            "type=registry,ref=ghcr.io/org/cache"
        ]

    def test_inline_is_only_written(self) -> None:
        argv = command(cache="inline")
        assert (values(argv, "--cache-from"), values(argv, "--cache-to")) == ([], ["type=inline"])

    @pytest.mark.parametrize("cache", ["registry", "inline", "bucket", "ghcr.io/org/cache"])
    def test_nothing_is_written_without_push(self, cache: str) -> None:
        argv = command(cache=cache, push="false", env=PROFILE)
        assert values(argv, "--cache-to") == []
        assert plan(cache=cache, push="false", env=PROFILE).notes == (
            'caches are only read: push is "false"',
        )

    def test_spelled_out_entries_win(self) -> None:
        planned = plan(cache="registry", cache_from="ghcr.io/org/a\nghcr.io/org/b", cache_to="ghcr.io/org/a")
        assert [str(entry) for entry in planned.sources] == [
            "type=registry,ref=ghcr.io/org/a",
            "type=registry,ref=ghcr.io/org/b",
        ]
        assert planned.notes == ("with.cache is not used: cache-from and cache-to win over it",)

    def test_githubs_cache_is_dropped_aloud(self) -> None:
        planned = plan(cache_from="type=gha\nghcr.io/org/a", cache_to="type=gha,mode=max")
        assert [entry.type for entry in planned.sources] == ["registry"]
        assert planned.targets == ()
        (note,) = planned.notes
        assert "type=gha and type=gha,mode=max" in note
        assert "ACTIONS_RUNTIME_TOKEN" in note

    def test_bucket_of_the_runner_profile(self) -> None:
        assert str(plan(cache="bucket", env=PROFILE).sources[0]) == (
            f"type=s3,region=us-east-1,bucket=layers,name={IMAGE}"
        )

    def test_a_server_of_ones_own_gets_the_bucket_in_the_path(self) -> None:
        env = PROFILE | {"GOCDNEXT_LAYER_CACHE_ENDPOINT": "http://minio:9000"}
        assert str(plan(cache="bucket", env=env).sources[0]).endswith(
            "endpoint_url=http://minio:9000,use_path_style=true"
        )

    def test_googles_bucket_by_its_s3_interface(self) -> None:
        env = PROFILE | {"GOCDNEXT_LAYER_CACHE_BACKEND": "gcs", "AWS_REGION": "eu-west-1"}
        assert str(plan(cache="bucket", env=env).sources[0]) == (
            f"type=s3,region=auto,bucket=layers,name={IMAGE},endpoint_url=https://storage.googleapis.com"
        )

    def test_only_its_own_variables_reach_buildx(self) -> None:
        env = PROFILE | {"AWS_ACCESS_KEY_ID": "a", "AWS_WEB_IDENTITY_TOKEN_FILE": "/f", "OTHER": "x"}
        inherited = set(build(cache="bucket", env=env).inherited())
        assert inherited == {
            "SOURCE_DATE_EPOCH",
            "BUILDX_NO_DEFAULT_OCI_ARTIFACT",
            "AWS_ACCESS_KEY_ID",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        }


class TestArtifacts:
    """The form of attestations that some registries refuse."""

    GITLAB = "registry.gitlab.com/org/app"

    @pytest.mark.parametrize(
        ("with_", "form"),
        [
            ({}, None),
            ({"oci_artifact": "false"}, "false"),
            ({"oci_artifact": "true"}, "true"),
            ({"image": GITLAB}, "false"),
            ({"image": f"{IMAGE} {GITLAB}", "push_by_digest": "true"}, "false"),
            ({"image": GITLAB, "oci_artifact": "true"}, "true"),
        ],
    )
    def test_is_what_is_asked_for_or_what_the_registry_takes(
        self, with_: dict[str, str], form: str | None
    ) -> None:
        (output,) = values(command(**with_), "--output")
        assert [each for each in output.split(",") if "oci-artifact" in each] == (
            [f"oci-artifact={form}"] if form else []
        )

    def test_is_said_where_it_is_a_registry_that_decides(self) -> None:
        (note,) = build(image=self.GITLAB).artifact_notes
        assert "registry.gitlab.com" in note
        assert not list(build(image=self.GITLAB, oci_artifact="false").artifact_notes)
        assert not list(build(image=self.GITLAB, platforms="linux/amd64", provenance="false").artifact_notes)
        assert not list(build().artifact_notes)


class TestBuilder:
    def reason(self, *, containerd_store: bool = True, **with_: str) -> str:
        inputs = read(**with_, env=PROFILE)
        cache = buildx.choose_caches(inputs, PROFILE, Ci())
        return buildx.container_reason(inputs, cache, containerd_store=containerd_store) or ""

    @pytest.mark.parametrize("cache", ["registry", "inline", "none", "ghcr.io/org/cache"])
    def test_the_daemons_own_where_it_can(self, cache: str) -> None:
        assert self.reason(cache=cache) == ""

    def test_not_with_another_image_store(self) -> None:
        assert "image store" in self.reason(containerd_store=False)

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("mirror", "mirror.gcr.io", "mirrors"),
            ("insecure_registries", "registry:5000", "insecure registries"),
            ("driver_opts", "network=host", "driver-opts"),
            ("push_by_digest", "true", "without a tag"),
            ("image", f"{IMAGE} quay.io/org/app", "before the next has the image"),
            ("cache", "bucket", "s3"),
            ("cache_from", "type=azblob,name=n", "azblob"),
        ],
    )
    def test_not_for_what_it_lacks(self, key: str, value: str, reason: str) -> None:
        assert reason in self.reason(**{key: value})

    def test_the_daemons_own_for_several_repositories_that_get_nothing(self) -> None:
        assert self.reason(image=f"{IMAGE} quay.io/org/app", push="false") == ""


class TestLogins:
    def test_each_for_its_own_host(self) -> None:
        inputs = read(
            image="org/app",
            username="u",
            password="p",
            mirror="https://hub.example.com/proxy",
            mirror_username="mu",
            mirror_password="mp",
        )
        logins = {str(each.registry): each.username for each in inputs.all_credentials}
        assert logins == {"docker.io": "u", "hub.example.com": "mu"}


class TestMistakes:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("labels", "a=SECRET"),
            ("labels", "SECRET=a"),
            ("labels", "aSECRET=a"),
            ("annotations", "a=SECRET"),
            ("annotations", "SECRET=a"),
            ("build_args", "A=SECRET"),
            ("build_args", "SECRET=a"),
            ("build_contexts", "x=https://h.example/x.tgz?ref=SECRET"),
            ("build_contexts", "SECRET=docker-image://ghcr.io/org/base:1"),
            ("build_contexts", "x=ssh://SECRET@h.example/x.git"),
            ("driver_opts", "env.FOO=SECRET"),
            ("driver_opts", "SECRET=x"),
            ("sbom", "generator=ghcr.io/org/scanner:1,foo=SECRET"),
            ("provenance", "mode=max,foo=SECRET"),
            ("cache", "type=local,dest=/cache/SECRET"),
            ("cache_from", "type=local,src=/cache/SECRET"),
            ("cache_to", "type=local,dest=/cache/SECRET"),
            ("cache_to", "type=local,SECRET=x"),
        ],
    )
    def test_a_secret_of_the_job_is_no_argument(self, key: str, value: str) -> None:
        secret = "hunter2hunter2"
        environ = {"MY_TOKEN": secret}
        assert read(env=environ, **{key: value.replace("SECRET", "x")})
        (mistake,) = mistakes(env=environ, **{key: value.replace("SECRET", secret)})
        assert mistake.startswith(f"with.{key.replace('_', '-')}: ")
        assert "holds a secret of the job" in mistake
        assert "hunter2" not in mistake

    @pytest.mark.parametrize(
        "value",
        [
            "x=https://h.example/x.tgz?private_token=canary",
            "x=https://h.example/x.tgz?a=b&access_token=canary",
            "x=ssh://git:canary@h.example/x.git",
            "x=https://me:can/ary@h.example/x.git",
        ],
    )
    def test_what_only_looks_like_one_in_a_url_is_none_either(self, value: str) -> None:
        (mistake,) = mistakes(build_contexts=value)
        assert mistake.startswith("with.build-contexts: item 1 would")
        assert "can" not in mistake.replace("can read", "")

    @pytest.mark.parametrize(
        "value",
        [
            f"x=docker-image://localhost:5000/base@sha256:{'a' * 64}",
            "x=ssh://git@h.example/x.git",
            "x=https://h.example:8443/x.git#main",
            "x=target:base",
        ],
    )
    def test_other_contexts_are_taken(self, value: str) -> None:
        assert read(build_contexts=value).build_contexts == (value,)

    @pytest.mark.parametrize(
        ("key", "value", "line"),
        [
            ("image", "", "with.image: is required"),
            ("push", "maybe", 'with.push: "maybe" is not a boolean'),
            ("platfroms", "linux/amd64", "with.platfroms: unknown input; did you mean `platforms`?"),
            ("tags", "-x", 'with.tags: "-x" is not a tag'),
            ("platforms", "amd64", 'with.platforms: "amd64" is not a platform; write it as "linux/amd64"'),
            ("context", "nowhere", 'with.context: "nowhere" is not a directory in the workspace'),
            ("dockerfile", "nowhere", 'with.dockerfile: "nowhere" is neither in the context'),
            ("build_args", "TOKEN", "with.build-args: item 1 has no value"),
            (
                "build_args",
                "AWS_SECRET_ACCESS_KEY=canary",
                'with.build-args: "AWS_SECRET_ACCESS_KEY" also configures',
            ),
            (
                "secret_envs",
                "npm=NPM_TOKEN",
                "with.secret-envs: the variable of item 1 is not in the job's environment",
            ),
            ("secret_files", "rc=.npmrc", "with.secret-files: the file of item 1 is not"),
            ("driver_opts", "network", "with.driver-opts: item 1 has no value"),
            (
                "driver_opts",
                "env.AWS_SECRET_ACCESS_KEY=canary",
                "with.driver-opts: item 1 would",
            ),
            ("build_contexts", "src=https://me:canary@host/x.git", "with.build-contexts: item 1 would"),
            ("build_contexts", "a=b\na=c", "with.build-contexts: item 2 repeats an earlier name"),
            ("build_contexts", "a=../b", "with.build-contexts: item 1 is outside the workspace"),
            (
                "build_contexts",
                "a=oci-layout:///etc/x:1",
                "with.build-contexts: item 1 is outside the workspace",
            ),
            ("cache", "regsitry!", "with.cache: "),
            ("cache", "bucket", 'with.cache: "bucket" needs GOCDNEXT_LAYER_CACHE_BUCKET'),
            ("cache_to", "type=azblob,secret_access_key=canary", 'with.cache-to: "secret_access_key" would'),
            ("mirror", 'x"]', "with.mirror: "),
            ("username", "u", 'with.password: is required with "username"'),
            (
                "buildkit_image",
                "not an image",
                'with.buildkit-image: "not an image" is not an image reference',
            ),
        ],
    )
    def test_each_is_one_line_with_its_key(self, key: str, value: str, line: str) -> None:
        (mistake,) = mistakes(**{key: value})
        assert mistake.startswith(line)
        assert "canary" not in mistake

    def test_all_show_at_once(self) -> None:
        assert len(mistakes(push="maybe", platforms="amd64", context="nowhere", pul="true")) >= 2

    def test_a_candidate_is_pushed(self) -> None:
        assert mistakes(push_by_digest="true", push="false") == ['with.push-by-digest: needs push: "true"']

    def test_an_unknown_bucket_backend(self) -> None:
        (mistake,) = mistakes(cache="bucket", env=PROFILE | {"GOCDNEXT_LAYER_CACHE_BACKEND": "ftp"})
        assert "neither s3 nor gcs" in mistake

    def test_two_logins_for_caches(self) -> None:
        (mistake,) = mistakes(
            cache_from="type=s3,bucket=a,access_key_id=one", cache_to="type=s3,bucket=a,access_key_id=two"
        )
        assert "different credentials" in mistake


class TestContext:
    def test_the_checkouts_own_dockerignore_does_where_nothing_is_to_be_added(self, checkout: Path) -> None:
        (checkout / ".dockerignore").write_text("x\n")
        assert build().dockerfile == checkout / "Dockerfile"

    def test_the_file_of_the_outputs_is_left_out(self, checkout: Path) -> None:
        file = checkout / ".gocdnext" / "outputs" / "1f3.env"
        file.parent.mkdir(parents=True)
        file.touch()
        (checkout / ".gocdnext" / "ci.yaml").touch()
        (checkout / ".dockerignore").write_text("*\n!.gocdnext\n")
        dockerfile = build(env={"GOCDNEXT_OUTPUT_FILE": str(file)}).dockerfile
        patterns = dockerfile.with_name("Dockerfile.dockerignore").read_text().split()
        assert patterns == ["*", "!.gocdnext", ".gocdnext/outputs"]
        assert (checkout / ".dockerignore").read_text() == "*\n!.gocdnext\n"


SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
RUN = {"CI_COMMIT_SHA": SHA, "CI_COMMIT_TIMESTAMP": "1700000000", "CI_REPOSITORY_URL": "git@x.y:org/app.git"}
RULES = "type=semver,pattern={{version}}\ntype=ref,event=branch\ntype=ref,event=pr"


class TestTagsOfTheRun:
    @pytest.mark.parametrize(
        ("env", "tag"),
        [
            ({"CI_BRANCH": "feat/x"}, "feat-x"),
            ({"CI_TAG_NAME": "v1.2.3"}, "1.2.3"),
            ({"CI_PULL_REQUEST_KEY": "7", "CI_BRANCH": "feat/x"}, "pr-7"),
        ],
    )
    def test_each_event_has_its_own(self, env: dict[str, str], tag: str) -> None:
        assert values(command(env=env, tags=RULES, flavor="latest=false"), "--tag") == [f"{IMAGE}:{tag}"]

    def test_none_is_a_mistake_that_says_why_of_each_line(self) -> None:
        (line,) = mistakes(env={"CI_BRANCH": "main"}, tags="type=semver,pattern={{raw}}\ntype=ref,event=pr")
        assert line.startswith("with.tags: ")
        assert "type=semver,pattern={{raw}}: the run is not for a tag" in line
        assert "type=ref,event=pr: the run is not for a pull request" in line

    def test_a_missing_tag_name_leaves_its_line_out(self) -> None:
        argv = command(env={"CI_BRANCH": "main"}, tags="type=raw,value=${CI_TAG_NAME}\ntype=ref,event=branch")
        assert values(argv, "--tag") == [f"{IMAGE}:main"]

    @pytest.mark.parametrize(
        "more", [{"image": f"{IMAGE}:v1"}, {"push": "false"}, {"push_by_digest": "true"}]
    )
    def test_none_is_needed_where_none_is_pushed_or_the_image_has_one(self, more: dict[str, str]) -> None:
        read(env={"CI_BRANCH": "main"}, tags="type=ref,event=tag", **more)

    def test_what_is_loaded_needs_one(self) -> None:
        assert mistakes(env={"CI_BRANCH": "main"}, tags="type=ref,event=tag", push="false", load="true")

    def test_a_flavor_without_tags_changes_nothing(self) -> None:
        (line,) = mistakes(flavor="latest=true")
        assert line.startswith("with.flavor: ")


class TestMetadata:
    def test_labels_say_what_is_known(self) -> None:
        key = "org.opencontainers.image."
        assert values(command(env=RUN, tags="v1 v2"), "--label") == [
            f"{key}created=2023-11-14T22:13:20Z",
            f"{key}revision={SHA}",
            f"{key}source=https://x.y/org/app",
            f"{key}title=app",
            f"{key}url=https://x.y/org/app",
            f"{key}version=v1",
        ]

    def test_own_labels_win_and_the_others_can_be_left_out(self) -> None:
        own = "org.opencontainers.image.title="
        found = values(command(env=RUN, labels=own), "--label")
        assert [each for each in found if "title" in each] == [own]
        assert values(command(env=RUN, labels="a=b", auto_labels="false"), "--label") == ["a=b"]

    def test_the_commits_date_is_the_builds_unless_the_job_has_one(self) -> None:
        assert build(env=RUN)._date() == {"SOURCE_DATE_EPOCH": "1700000000"}
        own = RUN | {"SOURCE_DATE_EPOCH": " 5 "}
        assert build(env=own)._date() == {"SOURCE_DATE_EPOCH": "5"}
        assert build(env=RUN | {"SOURCE_DATE_EPOCH": ""})._date() == {"SOURCE_DATE_EPOCH": "1700000000"}
        assert "org.opencontainers.image.created=1970-01-01T00:00:05Z" in values(command(env=own), "--label")
        assert build()._date() == {}

    def test_annotations_are_passed_on(self) -> None:
        lines = "a=b,c=d\nindex,manifest[linux/arm64]:x=y=z\nmanifest-descriptor:k=v"
        assert values(command(annotations=lines), "--annotation") == lines.splitlines()
        spaced = "index, manifest[linux/aarch64]:a:b=c:d"
        assert values(command(annotations=spaced), "--annotation") == ["index,manifest[linux/arm64]:a:b=c:d"]

    @pytest.mark.parametrize(
        "annotations", ["a", "=b", "layer:a=b", "index[linux/amd64]:a=b", "manifest[linux/s390x]:a=b", ":a=b"]
    )
    def test_an_annotation_has_a_known_level(self, annotations: str) -> None:
        (line,) = mistakes(annotations=annotations)
        assert line.startswith("with.annotations: ")

    def test_one_platform_without_attestations_has_no_index(self) -> None:
        one = {"platforms": "linux/amd64", "annotations": "index:a=b"}
        read(**one)
        read(**one, provenance="false", sbom="true")
        assert mistakes(**one, provenance="false")
        assert mistakes(**one, reproducible="true", env=RUN)


class TestOwnNetwork:
    @pytest.mark.parametrize(
        ("image", "driver_opts", "options"),
        [
            ("localhost:5000/app", "", ["network=host"]),
            ("[::1]:5000/app", "", ["network=host"]),
            ("localhost:5000/app", "network=mine", []),
            ("r.example/app", "", []),
        ],
    )
    def test_a_buildkit_in_a_container_reaches_a_registry_of_the_daemons_machine(
        self, image: str, driver_opts: str, options: list[str]
    ) -> None:
        with_ = {"driver_opts": driver_opts} if driver_opts else {}
        inputs = build(image=image, **with_).inputs
        assert list(buildx.own_network(inputs)) == options


class TestReproducible:
    def test_times_are_rewritten_and_nothing_else_differs(self) -> None:
        argv = command(env=RUN, reproducible="true")
        assert values(argv, "--output") == [
            "type=image,push=true,store=false,rewrite-timestamp=true,oci-mediatypes=true"
        ]
        assert values(argv, "--provenance") == ["false"]
        (output,) = values(command(env=RUN, reproducible="true", push_by_digest="true"), "--output")
        assert output.endswith(",push=true,rewrite-timestamp=true,oci-mediatypes=true")

    def test_what_the_daemon_would_load_is_refused(self) -> None:
        (line,) = mistakes(env=RUN, reproducible="true", load="true")
        assert line.startswith("with.load: ")

    @pytest.mark.parametrize(
        ("given", "passed"),
        [
            (None, "mode=min,inline-only=true,builder-id=https://ci.io/runs/7?a=1"),
            ("true", "builder-id=https://ci.io/runs/7?a=1"),
            ("mode=max", "mode=max,builder-id=https://ci.io/runs/7?a=1"),
            ("mode=max,version=v1", "mode=max,version=v1,builder-id=https://ci.io/runs/7?a=1"),
            ("mode=max,builder-id=x", "mode=max,builder-id=x"),
            ("mode=max, Builder-Id=x", "mode=max,builder-id=x"),
            ("false", "false"),
        ],
    )
    def test_the_provenance_names_the_run(self, given: str | None, passed: str) -> None:
        with_ = {} if given is None else {"provenance": given}
        run = {"CI_RUN_URL": "https://ci.io/runs/7?a=1"}
        assert values(command(env=run, **with_), "--provenance") == [passed]

    def test_the_jobs_variable_says_that_there_is_none_by_default(self) -> None:
        env = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "CI_RUN_URL": "https://ci.io/7", "CI_BRANCH": "main"}
        assert values(command(env=env), "--provenance") == ["false"]
        assert values(command(env=env, provenance="mode=max"), "--provenance") == [
            "mode=max,builder-id=https://ci.io/7"
        ]
        one = {"platforms": "linux/amd64", "annotations": "index:a=b"}
        read(**one)
        (line,) = mistakes(env=env, **one)
        assert line.startswith("with.annotations: ")
        read(env={"BUILDX_NO_DEFAULT_ATTESTATIONS": ""}, **one)
        (line,) = mistakes(env=env | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "yes"})
        assert line.startswith("with.provenance: is not clear: the job's BUILDX_NO_DEFAULT_ATTESTATIONS")

    @pytest.mark.parametrize(("key", "value"), [("provenance", "mode=max"), ("sbom", "generator=a.io/b/c")])
    def test_attestations_that_are_asked_for_are_made_beside_reproducible_platforms(
        self, key: str, value: str
    ) -> None:
        given = {"reproducible": "true", key: value}
        assert key in read(**given, env=RUN).reproducible_note
        argv = command(env=RUN, **given)
        assert values(argv, f"--{key}") == [value]
        assert "rewrite-timestamp=true" in values(argv, "--output")[0]
        assert read(**{key: value}, env=RUN).reproducible_note is None

    def test_it_needs_a_date(self) -> None:
        (line,) = mistakes(reproducible="true")
        assert line.startswith("with.reproducible: ")
        read(reproducible="true", env={"SOURCE_DATE_EPOCH": "0"})


PEM = "-----BEGIN {0}-----\nZ29jZG5leHQ=\n-----END {0}-----\n"
TLS = {
    "builder_ca": PEM.format("CERTIFICATE"),
    "builder_cert": PEM.format("CERTIFICATE"),
    "builder_key": PEM.format("PRIVATE KEY"),
}
TWO_NODES = "tcp://amd:1234 linux/amd64\ntcp://arm:1234 linux/arm64"


class TestRemoteBuilders:
    """`builder` names BuildKits that run already; tests/e2e/test_remote_builders.py has real ones."""

    @pytest.mark.parametrize(
        ("given", "key"),
        [
            ({"builder": "build:1234"}, "builder"),
            ({"builder": "tcp://a:1\ntcp://b:1 linux/amd64"}, "builder"),
            ({"builder": "tcp://a:1 linux/amd64\ntcp://a:1 linux/arm64"}, "builder"),
            ({"builder": "tcp://a:1 linux/amd64"}, "platforms"),
            ({"builder": TWO_NODES, "load": "true"}, "load"),
            ({"builder": TWO_NODES, "mirror": "mirror.gcr.io"}, "mirror"),
            ({"builder": TWO_NODES, "driver_opts": "network=host"}, "driver-opts"),
            ({"builder": TWO_NODES, **TLS, "builder_key": "./client.key"}, "builder-key"),
            (
                {"builder": TWO_NODES, **TLS, "builder_key": PEM.format("ENCRYPTED PRIVATE KEY")},
                "builder-key",
            ),
            ({"builder": TWO_NODES, **TLS, "builder_ca": PEM.format("PRIVATE KEY")}, "builder-ca"),
            (TLS, "builder-ca"),
        ],
    )
    def test_what_does_not_fit_is_a_mistake(self, given: dict[str, str], key: str) -> None:
        line, *more = mistakes(**given)
        assert line.startswith(f"with.{key}: ")
        assert [each.partition(": ")[0] for each in more] == (
            ["with.builder-cert", "with.builder-key"]
            if key == "builder-ca" and "builder" not in given
            else []
        )

    def test_tls_material_is_whole_or_not_there(self) -> None:
        lines = mistakes(builder=TWO_NODES, builder_ca=TLS["builder_ca"])
        assert [line.partition(": ")[0] for line in lines] == ["with.builder-cert", "with.builder-key"]

    def test_a_plan_shows_the_nodes_and_asks_no_daemon(self) -> None:
        variables = {"PLUGIN_IMAGE": IMAGE, "PLUGIN_BUILDER": TWO_NODES}
        variables |= {f"PLUGIN_{key.upper()}": value for key, value in TLS.items()}
        planned = plan_run(PLUGIN, variables, Path.cwd(), Placeholders())
        assert planned.warnings == ()
        asked = [step.words[0] for step in planned.steps if step.action == "look up"]
        assert asked == ["tcp://amd:1234", "tcp://arm:1234", f"{IMAGE}:latest"]
        creates = [step.words for step in planned.steps if step.words[:2] == ("buildx", "create")]
        assert [values(list(words), "--platform") for words in creates] == [["linux/amd64"], ["linux/arm64"]]
        assert not any("Z29jZG5leHQ" in word for step in planned.steps for word in step.words)


KUBECONFIG = {
    "current-context": "ci",
    "contexts": [{"name": "ci", "context": {"cluster": "c", "user": "robot"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443"}}],
    "users": [{"name": "robot", "user": {"token": "canary-of-the-robot"}}],
}


def kubeconfig(**user_or_cluster: Any) -> str:
    content = json.loads(json.dumps(KUBECONFIG))
    content["users"][0]["user"] |= user_or_cluster.pop("user", {})
    content["clusters"][0]["cluster"] |= user_or_cluster.pop("cluster", {})
    return json.dumps(content | user_or_cluster)


class TestCluster:
    """BuildKit in pods. That they build is in tests/kubernetes."""

    CLUSTER = {"driver": "kubernetes", "kubeconfig": kubeconfig()}

    def creates(self, **with_: str) -> list[list[str]]:
        variables = {f"PLUGIN_{key.upper()}": value for key, value in {"image": IMAGE, **with_}.items()}
        self.plan = plan_run(PLUGIN, variables, Path.cwd(), Placeholders())
        return [list(each.words) for each in self.plan.steps if each.words[:2] == ("buildx", "create")]

    def test_each_architecture_is_built_on_a_node_of_it(self) -> None:
        platforms = "linux/amd64 linux/arm64 linux/arm/v7 linux/386"
        first, second = self.creates(**self.CLUSTER, platforms=platforms, driver_opts="namespace=ci")
        assert values(first, "--platform") == ["linux/amd64,linux/386"]
        assert values(second, "--platform") == ["linux/arm64,linux/arm/v7"]
        for argv, architecture in ((first, "amd64"), (second, "arm64")):
            assert {f"nodeselector=kubernetes.io/arch={architecture}", "namespace=ci"} <= set(
                values(argv, "--driver-opt")
            )
        assert "--append" in second
        assert not any("canary" in word for step in self.plan.steps for word in step.words)
        (build,) = (step for step in self.plan.steps if step.words[:2] == ("buildx", "build"))
        assert "KUBECONFIG" in build.environ
        assert any(step.words[:3] == ("buildx", "rm", "--force") for step in self.plan.steps)

    @pytest.mark.parametrize("option", ["nodeselector=pool=ci", "qemu.install=true"])
    def test_options_that_place_pods_make_one_for_everything(self, option: str) -> None:
        (only,) = self.creates(**self.CLUSTER, driver_opts=option)
        assert values(only, "--platform") == ["linux/amd64,linux/arm64"]
        assert option in values(only, "--driver-opt")

    @pytest.mark.parametrize(
        ("given", "key", "what"),
        [
            ({"kubeconfig": ""}, "kubeconfig", "is missing"),
            ({"driver": "auto"}, "kubeconfig", "has no effect with driver: auto"),
            ({"kubeconfig": "x: ["}, "kubeconfig", "is no kubeconfig with a current context"),
            (
                {"kubeconfig": kubeconfig(contexts=[])},
                "kubeconfig",
                "is no kubeconfig with a current context",
            ),
            (
                {"kubeconfig": kubeconfig(user={"exec": {"command": "aws"}})},
                "kubeconfig",
                "logs in by a program",
            ),
            (
                {"kubeconfig": kubeconfig(user={"client-key": "/k.pem"})},
                "kubeconfig",
                "names a file in `client-key`",
            ),
            (
                {"kubeconfig": kubeconfig(cluster={"insecure-skip-tls-verify": True})},
                "kubeconfig",
                "turns the check of the server's certificate off",
            ),
            ({"load": "true"}, "load", "does not go with driver: kubernetes"),
            (
                {"builder": "tcp://b:1 linux/amd64,linux/arm64"},
                "builder",
                "does not go with driver: kubernetes",
            ),
            ({"push_by_digest": "true"}, "push-by-digest", "does not go with pods on several nodes"),
            (
                {"driver_opts": "persistent-volume-claim.requests.storage=1Gi"},
                "driver-opts",
                "stays in the cluster",
            ),
        ],
    )
    def test_mistakes(self, given: dict[str, str], key: str, what: str) -> None:
        with_ = {**self.CLUSTER, **given}
        (line,) = mistakes(**{name: value for name, value in with_.items() if value})
        assert line.startswith(f"with.{key}: ")
        assert what in line
        assert "canary" not in line

    def test_a_rootless_pod_needs_an_image_of_its_own(self) -> None:
        with_ = {**self.CLUSTER, "driver_opts": "rootless=true"}
        assert mistakes(**with_)[0].startswith("with.driver-opts: rootless needs a BuildKit image")
        assert read(**with_, buildkit_image="moby/buildkit:v0.33.1-rootless")
        assert read(**self.CLUSTER, driver_opts="rootless=true\nimage=moby/buildkit:rootless")
        assert read(**self.CLUSTER, driver_opts="rootless=F")
        assert mistakes(**self.CLUSTER, driver_opts="rootless=1")
        (line,) = mistakes(**self.CLUSTER, driver_opts="qemu.install=yes")
        assert line.startswith('with.driver-opts: "qemu.install=yes" is not true or false')

    @pytest.mark.parametrize(
        ("options", "pods"),
        [("qemu.install=true", 1), ("qemu.install=0", 2), ("nodeselector=a=b", 1), ("", 2)],
    )
    def test_each_architecture_has_a_pod_unless_one_emulates(self, options: str, pods: int) -> None:
        assert len(self.creates(**self.CLUSTER, driver_opts=options)) == pods

    def test_a_platform_has_one_pod_by_whatever_names(self) -> None:
        (only,) = self.creates(**self.CLUSTER, platforms="linux/x86_64, linux/amd64")
        assert "nodeselector=kubernetes.io/arch=amd64" in values(only, "--driver-opt")
        assert values(only, "--platform") == ["linux/amd64"]

    def test_a_candidate_of_one_architecture_is_pushed_by_one_pod(self) -> None:
        (only,) = self.creates(**self.CLUSTER, platforms="linux/amd64", push_by_digest="true")
        assert values(only, "--platform") == ["linux/amd64"]


class TestNodes:
    def test_a_candidate_of_several_is_refused(self) -> None:
        nodes = "tcp://amd:1234 linux/amd64\ntcp://arm:1234 linux/arm64"
        (line,) = mistakes(builder=nodes, push_by_digest="true")
        assert line.startswith("with.push-by-digest: does not go with several nodes in `builder`")
        assert read(builder=nodes, push_by_digest="true", platforms="linux/arm64").push_by_digest


SSH_KEY = PEM.format("OPENSSH PRIVATE KEY")
CIPHERED = SSH_KEY.replace("Z29jZG5leHQ=", base64.b64encode(b"openssh-key-v1\0\0\0\0\x0aaes256-ctr").decode())


class TestSteps:
    """What RUN steps get. What they find of it is in tests/e2e/test_build_steps.py."""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("ssh_key", "ssh-ed25519 AAAA me@host"),
            ("ssh_key", PEM.format("ENCRYPTED PRIVATE KEY")),
            (
                "ssh_key",
                CIPHERED,
            ),
            ("ssh_known_hosts", "github.com ssh-ed25519 AAAA"),
            ("network", "bridge"),
            ("add_hosts", "registry"),
            ("ulimits", "nofile"),
            ("ulimits", "foo=1"),
            ("ulimits", "nofile=4096:1024"),
            ("ulimits", "nofile=-1:5"),
            ("add_hosts", "a:999.1.1.1"),
            ("add_hosts", "a:dead"),
            ("add_hosts", "a:fe80::1%eth0"),
            ("shm_size", "64x"),
            ("shm_size", "64 megabytes"),
            ("no_cache_filter", "nowhere"),
            ("call", "outline"),
        ],
    )
    def test_what_makes_no_sense_is_a_mistake(self, key: str, value: str) -> None:
        Path("Dockerfile").write_text("FROM scratch AS one\n")
        (line,) = mistakes(**{key: value})
        assert line.startswith(f"with.{key.replace('_', '-')}: ")

    def test_known_hosts_are_a_build_secret_of_that_id(self) -> None:
        (line,) = mistakes(
            ssh_key=SSH_KEY, ssh_known_hosts="h k v", secret_envs="known_hosts=A", env={"A": "b"}
        )
        assert line.startswith("with.ssh-known-hosts: ")

    def test_the_key_stands_on_no_command_line(self) -> None:
        variables = {
            "PLUGIN_IMAGE": IMAGE,
            "PLUGIN_SSH_KEY": SSH_KEY,
            "PLUGIN_SSH_KNOWN_HOSTS": "h ssh-rsa A",
        }
        planned = plan_run(PLUGIN, variables | {"DOCKER_HOST": "unix:///x"}, Path.cwd(), Placeholders())
        (argv,) = (list(step.words) for step in planned.steps if step.words[:2] == ("buildx", "build"))
        assert values(argv, "--ssh") == ["default=<memory: ssh-key>"]
        assert values(argv, "--secret") == ["id=known_hosts,src=<memory: known_hosts>"]

    def test_the_others_are_passed_on(self) -> None:
        Path("Dockerfile").write_text("FROM scratch AS One\nFROM One\n")
        argv = command(
            network="none",
            add_hosts="a.internal:10.0.0.1\nb:host-gateway\nc=[::1],10.0.0.2",
            ulimits="nofile=1:2, nproc=3",
            shm_size="1.5 GiB",
            no_cache_filter="one",
        )
        assert values(argv, "--network") == ["none"]
        assert values(argv, "--add-host") == ["a.internal:10.0.0.1", "b:host-gateway", "c=[::1],10.0.0.2"]
        assert values(argv, "--ulimit") == ["nofile=1:2", "nproc=3"]
        assert values(argv, "--shm-size") == ["1.5 GiB"]
        assert "--no-cache-filter=one" in argv

    def test_load_of_several_platforms_through_a_container_is_refused_before_it_starts(self) -> None:
        variables = {"PLUGIN_IMAGE": IMAGE, "PLUGIN_LOAD": "true", "PLUGIN_DRIVER_OPTS": "network=host"}
        planned = plan_run(PLUGIN, variables | {"DOCKER_HOST": "unix:///x"}, Path.cwd(), Placeholders())
        assert "with.load: takes one platform" in planned.ends
        assert not [step for step in planned.steps if step.action == "run"]


class TestCacheOfABranch:
    @pytest.mark.parametrize(
        ("ci", "read_from", "written_to"),
        [
            (Ci(branch="main", default_branch="main"), ["buildcache"], ["buildcache"]),
            (
                Ci(branch="feat/x", default_branch="main"),
                ["buildcache-feat-x-79b4cc55", "buildcache"],
                ["buildcache-feat-x-79b4cc55"],
            ),
            (Ci(tag="v1", default_branch="main"), ["buildcache"], []),
            (
                # of a fork, whose branch has the default one's name
                Ci(branch="main", default_branch="main", pull_request=PullRequest(number=7)),
                ["buildcache-main-0d6e4079", "buildcache"],
                ["buildcache-main-0d6e4079"],
            ),
        ],
    )
    def test_it_reads_its_own_and_then_the_default_branchs(
        self, ci: Ci, read_from: list[str], written_to: list[str]
    ) -> None:
        found = plan(cache="branch", ci=ci)
        tags = [
            [entry.attributes["ref"].rpartition(":")[2] for entry in entries]
            for entries in (found.sources, found.targets)
        ]
        assert tags == [read_from, written_to]
        assert all(entry.attributes["ignore-error"] == "true" for entry in found.targets)

    @pytest.mark.parametrize(("given", "mode"), [("", "max"), (",mode=min", "min")])
    def test_it_holds_all_stages_unless_it_says_otherwise(self, given: str, mode: str) -> None:
        (target,) = plan(cache=f"type=registry,ref=quay.io/a/b{given}").targets
        assert target.attributes["mode"] == mode

    @pytest.mark.parametrize("key", ["cache", "cache_from", "cache_to"])
    def test_a_local_one_is_in_the_workspace_or_absolute(
        self, key: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(workspace)
        (workspace / "Dockerfile").write_text("FROM scratch\n")
        (workspace / "link").symlink_to("..")
        for place in ("link/cache", "../cache"):
            (line,) = mistakes(**{key: f"type=local,src={place},dest=cache"})
            assert line.startswith(f'with.{key.replace("_", "-")}: "{place}" is outside the workspace')
        assert read(**{key: "type=local,src=cache,dest=/var/cache"})

    @pytest.mark.parametrize("entry", ['type=registry,"ref=quay.io/a/b"', "type=registry,Ref=quay.io/a/b"])
    def test_its_host_may_be_that_of_the_login_however_it_is_written(self, entry: str) -> None:
        assert "quay.io/a/b" in map(str, read(cache=entry).references)

    def test_two_branches_never_share_one(self) -> None:
        refs = {
            plan(cache="branch", ci=Ci(branch=each)).targets[0].attributes["ref"] for each in ("a/b", "a-b")
        }
        assert len(refs) == 2


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        *(("true", "true"), ("False", "false"), ("disabled=true", "false")),
        ("generator=ghcr.io/org/generator:1", "generator=ghcr.io/org/generator:1"),
        ('"generator=a.io/b:1",scan=x=1', "generator=a.io/b:1,scan=x=1"),
        ('"args=a,b"', '"args=a,b"'),
    ],
)
def test_an_sbom_is_asked_for_as_buildx_reads_it(text: str, asked: str) -> None:
    assert values(command(sbom=text), "--sbom") == [asked]


@pytest.mark.parametrize("key", ["sbom", "provenance"])
@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "../canary",
        "true,generator=x:1",
        "spdx",
        'a"=b',
        "disabled=no",
        "type=sbom,mode=max",
        "TYPE=sbom",
        "mode=max,Mode=min",
    ],
)
def test_an_attestation_that_buildx_would_not_read_is_refused(key: str, text: str) -> None:
    (mistake,) = mistakes(**{key: text})
    assert f"with.{key}" in mistake


@pytest.mark.parametrize("no", ["false", "0", "F", "disabled=true", "mode=max,Disabled=1"])
def test_an_image_without_attestations_is_no_index(no: str) -> None:
    given = {"platforms": "linux/amd64", "sbom": no, "provenance": no}
    assert not read(**given).makes_index({})
    assert values(command(env={"CI_RUN_URL": "https://ci.io/7"}, **given), "--provenance") == ["false"]
    (mistake,) = mistakes(**given, oci_artifact="true")
    assert "with.oci-artifact" in mistake


def test_the_generator_of_the_sbom_is_an_image_of_the_job() -> None:
    generator = "ghcr.io/org/generator:1"
    assert generator in map(str, read(sbom=f"scan-stage=true,generator={generator}").references)
    assert generator in map(str, read(sbom=f'"generator={generator}",a=b').references)
