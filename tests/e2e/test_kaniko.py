"""The kaniko plugin in its image, with the real executor, unlike bases and a real registry with a login.

Where the published image cannot be pulled the executor is an older one, without secrets and here-documents.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from testbed.pins import pins
from tests.soak.proxy import PASSING, Fault, Proxy, about, dying_login

from gocdnext_sdk import Ci
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.harness.build import build_contexts, build_image
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing import Mode, PluginRunner, Result
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.layout import layout_digest, read_archive

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins" / "kaniko"
IMAGE = "localhost/gocdnext-plugin-kaniko:test"
OLDER = pins()["kaniko"].go_version


@pytest.fixture(scope="session")
def image() -> str:
    build_image(FOLDER, IMAGE, build_contexts())
    return IMAGE


@pytest.fixture(scope="session")
def older(image: str) -> bool:
    """Whether the executor is the older one of hosts that cannot pull."""
    found = re.search(r"v(\d+\.\d+\.\d+)", executor("version"))
    assert found is not None
    assert found[1] in (OLDER, pins()["kaniko"].version)
    return found[1] == OLDER


def executor(*argv: str) -> str:
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=/kaniko/executor", IMAGE, *argv]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Hub:
    """The registry, as tests look at it."""

    registry: LocalRegistry
    docker_config: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_CONFIG": str(self.docker_config)}

    def crane(self, *argv: str) -> bytes:
        done = subprocess.run(["crane", *argv], env=self.environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def digest(self, reference: str) -> str:
        return self.crane("digest", reference).decode().strip()

    def tags(self, repository: str) -> set[str]:
        """Return the repository's tags; none if it does not exist."""
        done = subprocess.run(["crane", "ls", repository], env=self.environ, capture_output=True, check=False)
        assert done.returncode == 0 or b"NAME_UNKNOWN" in done.stderr, done.stderr.decode()
        return set(done.stdout.decode().split())

    def layers(self, reference: str) -> list[str]:
        manifest = json.loads(self.crane("manifest", reference, "--platform=linux/amd64"))
        return [each["digest"] for each in manifest["layers"]]

    def files(self, reference: str, *, above: str | None = None) -> dict[str, bytes | None]:
        """Return what the layers hold, those of the base aside: path to content, None for what is no file."""
        base = self.layers(above) if above else []
        repository = reference.partition("@")[0]
        found: dict[str, bytes | None] = {}
        for digest in self.layers(reference):
            if digest in base:
                continue
            with tarfile.open(fileobj=io.BytesIO(self.crane("blob", f"{repository}@{digest}"))) as layer:
                for entry in layer:
                    content = layer.extractfile(entry) if entry.isfile() else None
                    found["/" + entry.name.strip("/")] = content.read() if content else None
        return found

    def config(self, reference: str) -> dict[str, object]:
        config: dict[str, object] = json.loads(self.crane("config", reference))["config"]
        return config


@pytest.fixture(scope="session")
def hub(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    folder = tmp_path_factory.mktemp("docker")
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
    return Hub(registry, folder)


@pytest.fixture(scope="session")
def base(hub: Hub) -> str:
    """Give a full Debian with Python in the registry; kaniko knows no engine to take it from."""
    reference = f"{hub.registry.address}/base/python:3.13"
    command = [sys.executable, "-m", "testbed", "bases", "python", reference]
    subprocess.run(command, cwd=ROOT, env=hub.environ, check=True)
    return reference


@dataclass(frozen=True)
class Kaniko:
    """Runs the plugin in its image, with the login and a repository of its own."""

    runner: PluginRunner
    image: str
    registry: LocalRegistry
    repository: str
    network: str

    def __call__(
        self, secrets: dict[str, str] | None = None, env: dict[str, str] | None = None, **with_: str
    ) -> Result:
        given = {
            "image": self.repository,
            "username": self.registry.username,
            "password": self.registry.password,
        }
        given |= {key.replace("_", "-"): value for key, value in with_.items()}
        return self.runner(
            FOLDER,
            given,
            env=env,
            secrets=secrets,
            mode=Mode.IMAGE,
            network=self.network,
            image=self.image,
        )


@pytest.fixture
def kaniko(run_plugin: PluginRunner, image: str, registry: LocalRegistry, repository: str) -> Kaniko:
    return Kaniko(run_plugin, image, registry, repository, registry.network)


SMALL = "FROM scratch\nCOPY content /app/\n"


def write(workspace: Path, dockerfile: str) -> None:
    (workspace / "Dockerfile").write_text(dockerfile)
    (workspace / "content").write_text("of the workspace\n")


def foreign(path: str) -> bool:
    """Tell what can only have come from kaniko, this plugin or the job."""
    return path.startswith(("/kaniko", "/gocdnext", "/workspace", "/dev", "/proc")) or "config.json" in path


class TestImages:
    def test_from_a_full_base_with_steps_in_every_stage(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path
    ) -> None:
        write(
            workspace,
            f"FROM {base} AS tools\nRUN mkdir /made && echo tool > /made/tool\n"
            f"FROM {base}\nCOPY --from=tools /made/ /usr/local/made/\n"
            "RUN printf step > /etc/made\nCOPY content /app/\n"
            'ENTRYPOINT ["python3"]\n',
        )
        mirror = f"{kaniko.repository}-mirror"
        result = kaniko(image=f"{kaniko.repository}\n{mirror}", tags="1.0.0\nfeat/x").passed()
        digest = result.outputs["DIGEST"]
        assert result.outputs == {
            "IMAGE": kaniko.repository,
            "IMAGES": f"{kaniko.repository},{mirror}",
            "DIGEST": digest,
            "IMAGE_DIGEST": digest,
            "REFERENCE": f"{kaniko.repository}@{digest}",
            "TAGS": "1.0.0,feat-x",
        }
        assert hub.tags(kaniko.repository) == {"1.0.0", "feat-x"}
        for repository in (kaniko.repository, mirror):
            assert {hub.digest(f"{repository}:{tag}") for tag in ("1.0.0", "feat-x")} == {digest}
        files = hub.files(result.outputs["REFERENCE"], above=base)
        assert {path: content for path, content in files.items() if content is not None} == {
            "/usr/local/made/tool": b"tool\n",
            "/etc/made": b"step",
            "/app/content": b"of the workspace\n",
        }
        assert not [path for path in files if foreign(path)]
        assert hub.layers(result.outputs["REFERENCE"])[: len(hub.layers(base))] == hub.layers(base)
        assert hub.config(result.outputs["REFERENCE"])["Entrypoint"] == ["python3"]
        assert result.changed == frozenset()
        assert result.log.splitlines()[-1].startswith("==> pushed ")

    def test_from_a_tiny_base_without_a_shell(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path
    ) -> None:
        write(
            workspace,
            f"FROM {base} AS build\nRUN echo built > /built\n"
            "FROM scratch\nCOPY --from=build /built /\nCOPY content /app/\nUSER 65532\n",
        )
        result = kaniko(
            image=f"{kaniko.repository}:v1",
            tags="latest",
            labels="org.example.a=b, c",
            annotations="manifest:org.example.note=d=e, f",
        ).passed()
        assert result.outputs["TAGS"] == "v1,latest"
        files = hub.files(result.outputs["REFERENCE"])
        assert {path: content for path, content in files.items() if content is not None} == {
            "/built": b"built\n",
            "/app/content": b"of the workspace\n",
        }
        assert not [path for path in files if foreign(path)]
        assert hub.config(result.outputs["REFERENCE"])["Labels"] == {
            "org.example.a": "b, c",
            "org.opencontainers.image.title": kaniko.repository.rpartition("/")[2],
            "org.opencontainers.image.version": "v1",
        }
        manifest = json.loads(hub.crane("manifest", result.outputs["REFERENCE"]))
        assert manifest["annotations"] == {"org.example.note": "d=e, f"}

    def test_candidates_of_one_platform_each_are_joined(
        self, kaniko: Kaniko, hub: Hub, workspace: Path, run_plugin: PluginRunner
    ) -> None:
        """Neither has a tag; docker-push gives one to both."""
        write(workspace, SMALL)
        with_ = {"push_by_digest": "true", "tags": "v1"}
        built = [kaniko(platforms=each, **with_).passed() for each in ("linux/amd64", "linux/arm64")]
        assert hub.tags(kaniko.repository) == set()
        for each in built:
            assert each.outputs["TAGS"] == ""
            assert "not used for the push, since push-by-digest sets no tags: tags" in each.log
            assert hub.digest(each.outputs["REFERENCE"]) == each.outputs["DIGEST"]
        inputs = {"action": "index", "target": kaniko.repository, "tags": "v1"}
        login = {"username": kaniko.registry.username, "password": kaniko.registry.password}
        sources = "\n".join(each.outputs["REFERENCE"] for each in built)
        run_plugin(FOLDER.parent / "docker-push", inputs | login | {"sources": sources}).passed()
        index = json.loads(hub.crane("manifest", f"{kaniko.repository}:v1"))
        assert [each["digest"] for each in index["manifests"]] == [each.outputs["DIGEST"] for each in built]
        assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]

    def test_a_stage_holds_nothing_of_the_plugins_own_image(
        self, kaniko: Kaniko, hub: Hub, workspace: Path
    ) -> None:
        """Whatever were in / when kaniko starts would be in these copies."""
        names = ("etc", "usr", "root", "tmp")
        files = "".join(f"COPY content /{name}-marker\n" for name in names)
        copies = "".join(f"COPY --from=first /{name}* /{name}/\n" for name in names)
        write(workspace, f"FROM scratch AS first\n{files}FROM scratch\n{copies}")
        result = kaniko().passed()
        found = hub.files(result.outputs["REFERENCE"])
        assert {path for path, content in found.items() if content is not None} == {
            f"/{name}/{name}-marker" for name in names
        }

    def test_a_dockerfile_means_what_it_means_to_docker(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path, older: bool
    ) -> None:
        write(
            workspace,
            f"FROM {base} AS build\nARG WHO=world\nUSER 1000\nCOPY content /content\nUSER root\n"
            "COPY <<EOF /said\nhello $WHO\nEOF\n"
            "RUN <<EOF\nstat -c %u /content > /owner\necho two >> /owner\nEOF\n"
            "RUN --mount=type=cache,target=/cache echo x > /cache/x\n"
            "FROM scratch\nCOPY --from=build /said /owner /\n",
        )
        result = kaniko()
        if older:
            result.exited(3)
            return
        files = hub.files(result.passed().outputs["REFERENCE"])
        assert (files["/said"], files["/owner"]) == (b"hello world\n", b"0\ntwo\n")


class TestBuildArguments:
    ODD = {
        "BLANKS": "  hello   world ",
        "COMMAS": "a,b, c=d",
        "QUOTES": 'it\'s "quoted" `too` $HOME \\n',
        "DASHES": "--destination=evil.invalid/x:1",
        "STARS": "x *",
        "EMPTY": "",
    }

    def test_arrive_as_they_are_and_are_on_no_command_line(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path
    ) -> None:
        names = [*self.ODD, "JOB_INFO"]
        script = f"import json, os; json.dump({{n: os.environ.get(n) for n in {names}}}, open('/args', 'w'))"
        lines = "".join(f"ARG {name}\n" for name in names)
        steps = f'RUN ["python3", "-c", {json.dumps(script)}]\nRUN echo "said: $JOB_INFO"\n'
        write(
            workspace,
            f"ARG BASE\nFROM $BASE AS build\n{lines}{steps}FROM scratch\nCOPY --from=build /args /\n",
        )
        given = "".join(f"{key}={value}\n" for key, value in self.ODD.items()) + f"JOB_INFO\nBASE={base}\n"
        result = kaniko(env={"JOB_INFO": "canary-from-the-job"}, build_args=given).passed()
        args = json.loads(hub.files(result.outputs["REFERENCE"])["/args"] or b"")
        # Blanks at the ends of a line are its own, not the value's.
        assert args == self.ODD | {"BLANKS": "  hello   world", "JOB_INFO": "canary-from-the-job"}
        assert "said: canary-from-the-job" in result.log
        assert not [word for word in result.call("executor").argv if "evil" in word]


class TestCache:
    def test_the_second_build_finds_it_and_a_pull_request_only_reads_it(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path
    ) -> None:
        write(workspace, f"FROM {base}\nRUN date +%s%N > /when\n")
        cache = f"{kaniko.repository}/cache"
        first = kaniko(cache="true").passed()
        cached = hub.tags(cache)
        assert cached
        second = kaniko(cache="true").passed()
        when = [hub.files(each.outputs["REFERENCE"], above=base)["/when"] for each in (first, second)]
        assert when[0] == when[1]
        assert hub.tags(cache) == cached
        write(workspace, f"FROM {base}\nRUN date +%s%N > /when\nRUN echo more > /more\n")
        third = kaniko(cache="true", push="false", tags="pr").passed()
        assert "Using caching version of cmd: RUN date" in third.log
        assert third.warnings == ('the cache is only read: push is "false"',)
        assert hub.tags(cache) == cached
        assert hub.tags(kaniko.repository) == {"latest"}
        assert third.outputs == {"IMAGE": kaniko.repository, "IMAGES": kaniko.repository, "TAGS": ""}

    def test_without_a_push_and_a_login_nothing_is_written(
        self, kaniko: Kaniko, hub: Hub, workspace: Path
    ) -> None:
        write(workspace, SMALL)
        kaniko(push="false", cache="true", username="", password="").passed()
        assert hub.tags(kaniko.repository) == hub.tags(f"{kaniko.repository}/cache") == set()

    def test_it_may_be_elsewhere(self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path) -> None:
        write(workspace, f"FROM {base}\nRUN echo x > /x\n")
        elsewhere = f"{kaniko.repository}-elsewhere"
        kaniko(cache="true", cache_repo=elsewhere, cache_ttl="6h").passed()
        assert hub.tags(elsewhere)
        assert not hub.tags(f"{kaniko.repository}/cache")


class TestSecrets:
    LOOK = """
import glob, os

for fd in os.listdir("/proc/self/fd"):
    path = f"/proc/self/fd/{fd}"
    assert int(fd) < 3 or not os.path.exists(path), os.readlink(path)
(folder,) = glob.glob("/dev/shm/*")
try:
    os.listdir(folder)
except PermissionError:
    raise SystemExit(0)
raise SystemExit(folder)
"""

    def test_a_step_that_is_not_root_sees_no_login(self, kaniko: Kaniko, base: str, workspace: Path) -> None:
        write(
            workspace,
            f'FROM {base}\nCOPY look.py /\nUSER 1000\nRUN ["python3", "/look.py"]\n',
        )
        (workspace / "look.py").write_text(self.LOOK)
        kaniko(push="false").passed()

    def test_build_secrets_are_mounted_and_not_kept(
        self, kaniko: Kaniko, hub: Hub, base: str, workspace: Path, older: bool
    ) -> None:
        write(
            workspace,
            f"FROM {base}\nRUN --mount=type=secret,id=npm,required=true --mount=type=secret,id=note "
            "sha256sum /run/secrets/npm /run/secrets/note > /sums\n",
        )
        (workspace / "note").write_text("canary-in-a-file\n")
        result = kaniko(
            {"NPM_TOKEN": "canary-npm-token"}, secret_envs="npm=NPM_TOKEN", secret_files="note=note"
        )
        if older:
            result.exited(3)
            assert "unknown flag: --secret" in result.log
            return
        result.passed()
        files = hub.files(result.outputs["REFERENCE"], above=base)
        assert len((files["/sums"] or b"").splitlines()) == 2
        assert not [path for path in files if "secrets" in path and files[path]]

    def test_a_secret_in_the_image_fails_the_job_and_says_where(
        self, kaniko: Kaniko, hub: Hub, workspace: Path
    ) -> None:
        write(workspace, SMALL + "ENV X=canary-npm-token\n")
        result = kaniko({"NPM_TOKEN": "canary-npm-token"}).exited(1)
        assert "NPM_TOKEN in its configuration: config.Env[" in result.errors[-1]
        assert hub.files(result.outputs["REFERENCE"])  # nothing is deleted

    def test_a_wrong_password_is_told_before_anything_is_built(
        self, kaniko: Kaniko, hub: Hub, workspace: Path
    ) -> None:
        write(workspace, SMALL)
        result = kaniko(password="not-the-password").exited(3)
        assert "checking push permission" in result.log
        assert "COPY content" not in result.log
        assert result.errors[-1].endswith("executor failed with exit code 1; its own message is above")
        assert hub.tags(kaniko.repository) == set()


EPOCH = 1_700_000_000


@pytest.mark.parametrize("from_scratch", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_two_reproducible_builds_have_one_digest(
    kaniko: Kaniko, hub: Hub, base: str, workspace: Path, from_scratch: bool
) -> None:
    """The date of the commit is in the label alone: kaniko takes none for the image and its files."""
    write(workspace, SMALL if from_scratch else f"FROM {base}\nCOPY content /app/\nRUN echo made > /made\n")
    builds = []
    for at in (EPOCH, EPOCH + 50_000):
        for path in (workspace / "content", workspace):
            os.utime(path, (at, at))
        env = {"CI_COMMIT_TIMESTAMP": str(EPOCH)}
        builds.append(kaniko(env=env, reproducible="true", tags="v1").passed().outputs["REFERENCE"])
    assert builds[0] == builds[1]
    config = json.loads(hub.crane("config", builds[0]))
    assert config["created"] == "0001-01-01T00:00:00Z"
    assert config["config"]["Labels"]["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"


class TestTags:
    """Content goes first, then one tag after another is set."""

    @pytest.fixture
    def kaniko(self, kaniko: Kaniko) -> Kaniko:
        """The proxy is on the host."""
        return replace(kaniko, network="host")

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(PASSING["html"], id="html"),
            pytest.param(PASSING["empty 200"], id="empty"),
            pytest.param(PASSING["401"], id="401"),
            pytest.param(PASSING["500"], id="500"),
        ],
    )
    def test_the_job_fails_and_says_which_are_set_if_the_second_is_refused(
        self, kaniko: Kaniko, hub: Hub, workspace: Path, answer: Fault
    ) -> None:
        write(workspace, SMALL)
        address = hub.registry.address
        with Proxy(address, about("PUT", "/manifests/second", answer), at=None) as proxy:
            image = kaniko.repository.replace(address, proxy.address)
            result = kaniko(image=image, tags="first\nsecond", retries="0").exited(3)
        assert hub.tags(kaniko.repository) == {"first"}
        error = result.errors[-1]
        assert f"{image}:first is sha256:" in error
        assert f"{image}:second is not there" in error
        assert result.outputs == {}

    @pytest.mark.parametrize("tags", ["only", "first\nsecond"])
    def test_a_password_that_dies_in_mid_build_is_named_and_nothing_has_a_tag(
        self, kaniko: Kaniko, hub: Hub, workspace: Path, tags: str
    ) -> None:
        write(workspace, SMALL)
        address = hub.registry.address
        with Proxy(address, dying_login(), at=None) as proxy:
            image = kaniko.repository.replace(address, proxy.address)
            result = kaniko(image=image, tags=tags, retries="0").exited(3)
        assert re.search("login was refused|refused the credentials", result.errors[-1]), result.log
        assert hub.tags(kaniko.repository) == set()

    def test_all_are_read_back(self, kaniko: Kaniko, hub: Hub, workspace: Path) -> None:
        write(workspace, SMALL)
        address = hub.registry.address
        with Proxy(address) as proxy:
            image = kaniko.repository.replace(address, proxy.address)
            kaniko(image=image, tags="first\nsecond").passed()
        written = max(number for number, (method, _) in enumerate(proxy.requests) if method == "PUT")
        asked = [path.rpartition("/")[2] for method, path in proxy.requests[written:] if method == "HEAD"]
        assert {"first", "second"} <= set(asked)


class TestFiles:
    """An image goes to a file instead of a registry."""

    @pytest.mark.parametrize("output", ["dist/app", "dist/app.tar"])
    def test_it_has_one_digest_however_often_it_is_built_and_nothing_is_pushed(
        self, kaniko: Kaniko, hub: Hub, workspace: Path, output: str
    ) -> None:
        write(workspace, "FROM scratch\nCOPY . /\n")
        first, second = (kaniko(output=output, reproducible="true").passed().outputs for _ in range(2))
        path = workspace / output
        found = layout_digest(path, None) if path.is_dir() else read_archive(path).entries[0].id
        assert first["DIGEST"] == second["DIGEST"] == found  # what is there already is no part of it
        assert second["FILE"].endswith(f":{output}")
        assert hub.tags(kaniko.repository) == set()
        assert not list(workspace.glob(".gocdnext-*"))


class TestContainers:
    """What a container may be like."""

    @pytest.mark.parametrize(
        ("options", "code", "said"),
        [
            (
                {"user": "1000:1000"},
                2,
                "error: kaniko unpacks images as root, and the container runs as user 1000;",
            ),
            (
                {"read_only": True},
                2,
                "error: kaniko unpacks images over its root file system, which is read-only",
            ),
            ({"shm_size": 4096}, 3, "give the job a larger /dev/shm"),
            ({"shm_size": 65536}, 0, "==> pushed "),
            ({"ipc_mode": "none"}, 0, "==> pushed "),
            ({"security_opt": ["seccomp=unconfined"], "cap_drop": ["ALL"]}, 0, "==> pushed "),
        ],
        ids=["user", "read-only", "page", "small", "no-shm", "no-capabilities"],
    )
    def test_it_works_or_one_line_says_what_is_missing(
        self,
        image: str,
        registry: LocalRegistry,
        repository: str,
        workspace: Path,
        options: dict[str, Any],
        code: int,
        said: str,
    ) -> None:
        import docker

        write(workspace, SMALL)
        (workspace / ".dockerignore").write_text("nothing\n")
        workspace.chmod(0o755)
        client = docker.from_env()
        container = client.containers.create(
            image,
            network_mode=registry.network,
            volumes=[f"{workspace}:/workspace"],
            working_dir="/workspace",
            environment={
                "PLUGIN_IMAGE": repository,
                "PLUGIN_USERNAME": registry.username,
                "PLUGIN_PASSWORD": registry.password,
            },
            **options,
        )
        try:
            container.start()
            ended = container.wait(timeout=120)["StatusCode"]
            log = container.logs().decode()
        finally:
            container.remove(force=True, v=True)
            client.close()
        assert ended == code, log
        assert said in log.splitlines()[-1], log
        assert "Usage:" not in log


def test_what_kaniko_does_not_do_is_told_with_its_line_before_anything_is_pulled(
    kaniko: Kaniko, workspace: Path
) -> None:
    write(workspace, "FROM nowhere.invalid/base\n\nRUN --mount=type=ssh x\nCOPY content /workspace/out/\n")
    result = kaniko().exited(2)
    assert result.calls == ()
    first, second, last = result.errors
    assert first.startswith("with.dockerfile: Dockerfile:3: RUN --mount=type=ssh: kaniko has no ssh agent")
    assert second.startswith(
        "with.dockerfile: Dockerfile:4: COPY to /workspace/out: kaniko leaves /workspace out"
    )
    assert last == "nothing was done: 2 mistakes in `with:`"


def test_a_signal_ends_the_build_and_all_of_its_steps(
    image: str, registry: LocalRegistry, base: str, repository: str, workspace: Path
) -> None:
    import docker

    write(workspace, f"FROM {base}\nRUN while true; do echo working; done\n")
    client = docker.from_env()
    container = client.containers.run(
        image,
        detach=True,
        network_mode=registry.network,
        volumes=[f"{workspace}:/workspace"],
        environment={
            "PLUGIN_IMAGE": repository,
            "PLUGIN_USERNAME": registry.username,
            "PLUGIN_PASSWORD": registry.password,
        },
    )
    try:
        while b"\nworking" not in container.logs(tail=50):
            container.reload()
            assert container.status == "running", container.logs()
            time.sleep(0.2)
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 143
        assert "error: stopped by SIGTERM" in container.logs().decode()
    finally:
        container.remove(force=True, v=True)
        client.close()


def test_every_flag_exists(image: str, older: bool, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(workspace, SMALL)
    monkeypatch.chdir(workspace)
    plugin = load_plugin(FOLDER)
    module = sys.modules[plugin.__module__]
    with_ = {
        "image": "ghcr.io/org/app",
        "push": "false",
        "cache": "true",
        "cache-copy-layers": "true",
        "platforms": "linux/arm64",
        "build-args": "A=b",
        "secret-envs": "s=HOME",
        "secret-files": "f=Dockerfile",
        "labels": "a=b",
        "annotations": "manifest:a=b",
        "target": "0",
        "mirror": "mirror.gcr.io",
        "reproducible": "true",
    }
    environ = {variable(key, "shared"): value for key, value in with_.items()} | {"HOME": "/"}
    inputs = read_inputs(plugin.inputs, environ)
    job = SimpleNamespace(environ=environ, workspace=workspace, ci=Ci())
    argv = module.KanikoBuild(inputs, job).command(workspace / "digest")
    emitted = {word.partition("=")[0] for word in argv}
    assert len(emitted) > 20
    missing = emitted - set(re.findall(r"--[a-z][a-z-]*", executor("--help")))
    assert missing == ({"--secret"} if older else set())
