"""The buildx plugin with the real buildx, a real engine and a real registry with a login."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.e2e.recording import Upstream, busy
from tests.soak.proxy import PASSING, Proxy, about

from gocdnext_sdk import Ci, Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.harness import LocalRegistry
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.host.testing import Mode, PluginRunner
from gocdnext_sdk.inputs.reader import read_inputs
from gocdnext_sdk.oci.published import said_by
from gocdnext_sdk.runtime.daemon import DockerDaemon
from gocdnext_sdk.runtime.docker_client import address, connect
from gocdnext_sdk.runtime.orphans import remove_orphans
from gocdnext_sdk.tools.buildkit.builders import Builder

FOLDER = Path(__file__).parents[2] / "plugins" / "buildx"
BUILDER = re.compile(r"--name (gocdnext-[\w.-]+)")


@dataclass(frozen=True)
class Target:
    """A repository in the registry, with what it takes to push there and to look at what was pushed."""

    registry: LocalRegistry
    image: str

    @property
    def inputs(self) -> dict[str, str]:
        return {"image": self.image, "username": self.registry.username, "password": self.registry.password}

    @property
    def client(self) -> RegistryClient:
        login = Credential(
            Registry.parse(self.registry.address), self.registry.username, Secret(self.registry.password)
        )
        return RegistryClient(Credentials([login]))

    def digest(self, tag: str) -> str:
        return self.client.resolve(Reference.parse(f"{self.image}:{tag}")).digest

    def platforms(self, digest: str) -> set[str | None]:
        return {each.platform for each in self.client.platforms(Reference.parse(f"{self.image}@{digest}"))}

    def tags(self) -> set[str]:
        """Return the repository's tags; none if it does not exist."""
        try:
            return set(self._get("tags/list")["tags"] or ())
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return set()

    def labels(self, digest: str) -> dict[str, str]:
        """Return the labels of the image for linux/amd64."""
        (child,) = (
            each
            for each in self.client.platforms(Reference.parse(f"{self.image}@{digest}"))
            if each.platform == "linux/amd64"
        )
        _, manifest = self.client.manifest(Reference.parse(f"{self.image}@{child.digest}"))
        labels: dict[str, str] = (
            self._get(f"blobs/{manifest['config']['digest']}")["config"].get("Labels") or {}
        )
        return labels

    def _get(self, path: str) -> Any:
        repository = self.image.partition("/")[2]
        pair = base64.b64encode(f"{self.registry.username}:{self.registry.password}".encode()).decode()
        request = urllib.request.Request(
            f"http://{self.registry.address}/v2/{repository}/{path}",
            headers={"Authorization": f"Basic {pair}"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)


@pytest.fixture
def target(registry: LocalRegistry, repository: str) -> Target:
    return Target(registry, repository)


@pytest.fixture(scope="session")
def daemon() -> Any:
    return connect(os.environ)


@pytest.fixture
def own_buildkit(registry: LocalRegistry) -> dict[str, str]:
    """The inputs that ask for a BuildKit in a container, which sees the registry at its own address."""
    image = os.environ.get("BUILDKIT_IMAGE")
    return {"driver-opts": f"network={registry.network}"} | ({"buildkit-image": image} if image else {})


def write(workspace: Path, dockerfile: str) -> None:
    """Write a Dockerfile, and a file whose content no other test has."""
    (workspace / "Dockerfile").write_text(dockerfile)
    (workspace / "content").write_text(secrets.token_hex())


SMALL = "FROM scratch\nCOPY content /\n"


class TestPush:
    def test_a_tag_that_never_moves_is_kept_and_gives_the_others_its_image(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        rules = {"immutable-tags": "v*", "platforms": "linux/amd64", **target.inputs}

        def again(tags: str, **more: str) -> Any:
            write(workspace, SMALL)  # with other content each time
            return run_plugin(FOLDER, {**rules, "tags": tags, **more}, docker=True)

        first = again("v1.0.0").passed().outputs["DIGEST"]
        assert "must not move" in again("v1.0.0 latest").exited(1).log
        assert target.tags() == {"v1.0.0"}
        kept = again("v1.0.0 latest", existing="keep").passed()
        assert (kept.outputs["DIGEST"], "buildx build" in kept.log) == (first, False)
        assert {target.digest(tag) for tag in ("v1.0.0", "latest")} == {first}

    @pytest.mark.parametrize("mode", [Mode.PROCESS, Mode.IMAGE])
    def test_every_tag_has_the_index_of_both_platforms(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, mode: Mode
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | {"tags": "1.0.0\nfeat/x\nlatest\n"}
        result = run_plugin(FOLDER, with_, docker=True, mode=mode, network=target.registry.network).passed()
        digest = result.outputs["DIGEST"]
        assert {target.digest(tag) for tag in ("1.0.0", "feat-x", "latest")} == {digest}
        assert target.platforms(digest) == {"linux/amd64", "linux/arm64"}
        assert result.outputs == {
            "IMAGE": target.image,
            "IMAGES": target.image,
            "DIGEST": digest,
            "IMAGE_DIGEST": digest,
            "REFERENCE": f"{target.image}@{digest}",
            "TAGS": "1.0.0,feat-x,latest",
        }
        assert result.changed == frozenset()

    @pytest.mark.parametrize("candidate", ["false", "true"])
    def test_one_build_goes_to_several_repositories_with_one_digest(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        candidate: str,
    ) -> None:
        write(workspace, SMALL)
        other = Target(target.registry, f"{target.image}-mirror")
        with_ = target.inputs | {"image": f"{target.image}\n{other.image}:edge", "tags": "v1\nv2"}
        with_ |= own_buildkit | {"push-by-digest": candidate}
        result = run_plugin(FOLDER, with_, docker=True).passed()
        digest = result.outputs["DIGEST"]
        assert result.outputs["IMAGES"] == f"{target.image},{other.image}"
        for each, own in ((target, set()), (other, {"edge"})):
            tags = set() if candidate == "true" else {"v1", "v2", *own}
            assert each.tags() == tags
            assert {each.digest(tag) for tag in tags} <= {digest}
            assert each.platforms(digest) == {"linux/amd64", "linux/arm64"}
        assert result.outputs["TAGS"] == ("" if candidate == "true" else "v1,v2")

    def test_a_second_repository_that_refuses_its_tag_leaves_those_of_the_first_where_they_were(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, own_buildkit: dict[str, str]
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | own_buildkit | {"platforms": "linux/amd64", "tags": "v1"}
        before = run_plugin(FOLDER, with_, docker=True).passed().outputs["DIGEST"]
        write(workspace, SMALL)
        with Proxy(target.registry.address, about("PUT", "/manifests/v1", PASSING["403"]), at=None) as proxy:
            mirror = f"{target.image.replace(target.registry.address, proxy.address)}-mirror"
            logins = {"logins": f"{proxy.address} {target.registry.username} MIRROR"}
            several = with_ | logins | {"image": f"{target.image}\n{mirror}", "driver-opts": "network=host"}
            several["registry"] = target.registry.address
            secret = {"MIRROR": target.registry.password}
            result = run_plugin(FOLDER, several, docker=True, secrets=secret).exited(3)
        assert f"(now {target.image}:v1 is {before}, {mirror}:v1 is not there)" in result.errors[-1]
        assert target.digest("v1") == before
        # All content was there before the first tag moved.
        (digest,) = set(re.findall(rf"{target.image}:v1: {before} -> (sha256:\w+)", result.log))
        other = Target(target.registry, f"{target.image}-mirror")
        assert target.platforms(digest) == other.platforms(digest) == {"linux/amd64"}
        assert other.tags() == set()

    def test_a_busy_registry_is_waited_for_and_nothing_is_built_twice(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, f"FROM {os.environ['BASE']}\nRUN head -c 9 /dev/urandom > /random\n")
        login = base64.b64encode(f"{target.registry.username}:{target.registry.password}".encode()).decode()
        with busy(Upstream(target.registry.address, login)) as registry:
            image = f"{registry.address}/busy/app"
            with_ = {"image": image, "platforms": "linux/amd64", "no-cache": "true", "tags": "v1\nv2"}
            result = run_plugin(FOLDER, with_, docker=True).passed()
        assert registry.refused > 0
        assert any("without a new build" in warning for warning in result.warnings)
        assert result.log.count(" CACHED") >= 1
        assert len(re.findall(r"RUN head .*\n(?:#.*\n)*?#\d+ DONE", result.log)) == 1

    def test_the_daemon_keeps_nothing(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, daemon: Any
    ) -> None:
        write(workspace, SMALL)
        run_plugin(FOLDER, target.inputs, docker=True).passed()
        assert daemon.images.list(name=target.image) == []

    def test_unless_asked_to(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, daemon: Any
    ) -> None:
        write(workspace, SMALL)
        result = run_plugin(FOLDER, target.inputs | {"load": "true"}, docker=True).passed()
        (image,) = daemon.images.list(name=target.image)
        daemon.images.remove(f"{target.image}:latest")
        assert image.id == result.outputs["DIGEST"]

    @pytest.mark.parametrize("more", [{"push-by-digest": "true"}, {"tags": "x"}, {"tags": "x y"}])
    def test_what_is_told_is_what_was_pushed_and_not_what_was_loaded(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        daemon: Any,
        more: dict[str, str],
    ) -> None:
        """What a container's BuildKit loads lacks the attestations, and so has another digest."""
        write(workspace, SMALL)
        inputs = {"platforms": "linux/amd64", "load": "true", "sbom": "false", "provenance": "mode=min"}
        found = run_plugin(FOLDER, {**inputs, **more, **own_buildkit, **target.inputs}, docker=True).passed()
        pushed = target.client.children(Reference.parse(found.outputs["REFERENCE"]))
        assert [each.is_attestation for each in pushed] == [False, True]
        (loaded,) = daemon.images.list(name=target.image)
        daemon.images.remove(loaded.id, force=True)

    def test_without_push_the_registry_stays_empty(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | {"push": "False", "cache": "registry"}
        result = run_plugin(FOLDER, with_, docker=True).passed()
        assert target.tags() == set()
        assert result.warnings == ('caches are only read: push is "false"',)
        assert result.outputs == {"IMAGE": target.image, "IMAGES": target.image, "TAGS": ""}

    def test_a_wrong_password_is_a_failure_without_the_password(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        run_plugin(FOLDER, target.inputs | {"password": "canary-wrong-password"}, docker=True).exited(3)
        assert target.tags() == set()

    def test_a_build_that_fails_pushes_nothing(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, "FROM scratch\nCOPY absent /\n")
        result = run_plugin(FOLDER, target.inputs, docker=True).exited(3)
        assert "buildx failed with exit code" in result.errors[-1]
        assert target.tags() == set()


ODD = {
    "COMMAS": "-X a,-Y b",
    "QUOTES": "say \"hi\" and 'ho'",
    "DASHES": "--leading -x",
    "EQUALS": "a=b==c",
    "DOLLAR": "${NOT} $expanded `id`",
    "DOCKER_PASSWORD": "canary-docker-password",
}


EPOCH = 1_700_000_000
RUN = {
    "CI_COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567",
    "CI_REPOSITORY_URL": "https://robot:t0ken@git.example.com/org/linkcheck.git",
    "CI_COMMIT_TIMESTAMP": str(EPOCH),
}
RULES = "type=semver,pattern={{version}}\ntype=ref,event=branch\ntype=ref,event=pr\ntype=sha"


class TestMetadata:
    @pytest.mark.parametrize(
        ("event", "tags"),
        [
            ({"CI_CAUSE": "webhook", "CI_BRANCH": "feat/x"}, "feat-x,sha-0123456"),
            ({"CI_CAUSE": "tag", "CI_TAG_NAME": "v1.2.3"}, "1.2.3,sha-0123456,latest"),
            ({"CI_CAUSE": "pull_request", "CI_PULL_REQUEST_KEY": "7"}, "pr-7,sha-0123456"),
        ],
    )
    def test_one_block_of_tags_serves_every_event(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, event: dict[str, str], tags: str
    ) -> None:
        write(workspace, SMALL)
        result = run_plugin(FOLDER, target.inputs | {"tags": RULES}, env=RUN | event, docker=True).passed()
        assert result.outputs["TAGS"] == tags
        assert target.tags() == set(tags.split(","))

    def test_the_image_says_what_it_is_made_of(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | {
            "tags": "v1",
            "labels": "org.opencontainers.image.title=Link check",
            "provenance": "mode=max",
            "annotations": "index:org.opencontainers.image.description=Checks links\n"
            "manifest[linux/arm64]:only=here",
        }
        page = "https://ci.example.com/runs/7"
        result = run_plugin(FOLDER, with_, env={**RUN, "CI_RUN_URL": page}, docker=True).passed()
        digest = result.outputs["DIGEST"]
        key = "org.opencontainers.image."
        assert target.labels(digest) == {
            f"{key}created": "2023-11-14T22:13:20Z",
            f"{key}revision": RUN["CI_COMMIT_SHA"],
            f"{key}source": "https://git.example.com/org/linkcheck",
            f"{key}title": "Link check",
            f"{key}url": "https://git.example.com/org/linkcheck",
            f"{key}version": "v1",
        }
        assert "t0ken" not in result.log
        assert "git was not found" not in result.log
        image = Reference.parse(f"{target.image}@{digest}")
        provenance = {said.text for said in said_by(image, target.client) if "provenance" in said.where}
        assert provenance >= {RUN["CI_COMMIT_SHA"], "https://git.example.com/org/linkcheck", page}
        _, index = target.client.manifest(Reference.parse(f"{target.image}@{digest}"))
        assert index["annotations"] == {f"{key}description": "Checks links"}
        for each in target.client.platforms(Reference.parse(f"{target.image}@{digest}")):
            _, manifest = target.client.manifest(Reference.parse(f"{target.image}@{each.digest}"))
            wanted = {"only": "here"} if each.platform == "linux/arm64" else {}
            assert manifest.get("annotations", {}) == wanted

    @pytest.mark.parametrize("candidate", ["false", "true"])
    def test_two_builds_have_one_digest(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        candidate: str,
    ) -> None:
        write(workspace, SMALL)
        builder = own_buildkit if candidate == "true" else {}
        with_ = target.inputs | builder | {"no-cache": "true", "push-by-digest": candidate}
        digests = {}
        for reproducible in ("false", "true"):
            for at in (EPOCH + 100, EPOCH + 50_000):
                for path in (workspace / "content", workspace):
                    os.utime(path, (at, at))
                result = run_plugin(
                    FOLDER, with_ | {"reproducible": reproducible}, env=RUN, docker=True
                ).passed()
                digests[reproducible, at] = result.outputs["DIGEST"]
        assert digests["true", EPOCH + 100] == digests["true", EPOCH + 50_000]
        assert digests["false", EPOCH + 100] != digests["false", EPOCH + 50_000]


class TestBuildArguments:
    def test_they_arrive_as_written_and_are_on_no_command_line(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        lines = "".join(f'ARG {key}\nLABEL {key.lower()}="${{{key}}}"\n' for key in (*ODD, "FROM_JOB"))
        write(workspace, SMALL + lines)
        given = "".join(f"{key}={value}\n" for key, value in ODD.items()) + "FROM_JOB"
        with watched_processes({**ODD, "FROM_JOB": "canary-from-job"}.values()) as seen:
            result = run_plugin(
                FOLDER,
                target.inputs | {"build-args": given},
                docker=True,
                secrets={"FROM_JOB": "canary-from-job"},
            ).passed()
        labels = target.labels(result.outputs["DIGEST"])
        assert {key: labels[key.lower()] for key in ODD} == ODD
        assert labels["from_job"] == "canary-from-job"
        assert seen == set()

    def test_a_name_that_means_something_to_buildx_changes_only_the_build(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL + "ARG DOCKER_HOST\nLABEL host=$DOCKER_HOST\nARG PATH\nLABEL path=$PATH\n")
        with_ = target.inputs | {
            "build-args": "DOCKER_HOST=tcp://nowhere.invalid:1\nPATH=/nowhere",
            "auto-labels": "false",
        }
        result = run_plugin(FOLDER, with_, docker=True).passed()
        assert target.labels(result.outputs["DIGEST"]) == {
            "host": "tcp://nowhere.invalid:1",
            "path": "/nowhere",
        }

    def test_a_secret_in_the_image_fails_the_job_and_says_where(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        token = f"canary-{secrets.token_hex()}"
        write(workspace, f"FROM scratch AS one\nARG X={token}\nCOPY content /\nFROM one\nLABEL a=b\n")
        with_ = target.inputs | {"provenance": "mode=max", "tags": "v1"}
        run_plugin(FOLDER, with_, docker=True, secrets={"OTHER_TOKEN": "canary-another"}).passed()
        result = run_plugin(FOLDER, with_, docker=True, secrets={"NPM_TOKEN": token}).exited(1)
        assert "NPM_TOKEN in its provenance: " in result.errors[-1]
        assert token not in result.log
        assert target.digest("v1") == result.outputs["DIGEST"]  # nothing is deleted
        write(workspace, f"FROM scratch\nCOPY content /\nENV X={base64.b64encode(token.encode()).decode()}\n")
        result = run_plugin(FOLDER, with_, docker=True, secrets={"NPM_TOKEN": token}).exited(1)
        for platform in ("linux/amd64", "linux/arm64"):
            for place in ("config.Env[", "history["):
                assert f"NPM_TOKEN in its configuration of {platform}: {place}" in result.errors[-1]

    def test_build_secrets_are_mounted_and_not_kept(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        base = os.environ.get("BASE", "docker.io/library/python:3.13-slim-trixie")
        token, note = "canary-npm-token", "canary-in-a-file\n"
        (workspace / "note").write_text(note)
        write(
            workspace,
            f"FROM {base}\nARG NPM NOTE\n"
            "RUN --mount=type=secret,id=npm --mount=type=secret,id=note "
            'cd /run/secrets && printf \'%s\\n\' "$NPM  npm" "$NOTE  note" | sha256sum --check\n',
        )
        hashes = {"NPM": token, "NOTE": note}
        lines = (f"{key}={hashlib.sha256(text.encode()).hexdigest()}" for key, text in hashes.items())
        with_ = {
            "build-args": "\n".join(lines),
            "secret-envs": "npm=NPM_TOKEN",
            "secret-files": "note=note",
            "platforms": "linux/amd64",
            "push": "false",
        }
        run_plugin(FOLDER, target.inputs | with_, docker=True, secrets={"NPM_TOKEN": token}).passed()


class TestCache:
    def test_the_second_build_finds_what_the_first_one_did(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, own_buildkit: dict[str, str]
    ) -> None:
        # A BuildKit of one's own starts empty: what is cached has come from the registry.
        write(workspace, SMALL)
        with_ = target.inputs | own_buildkit | {"cache": "registry"}
        first = run_plugin(FOLDER, with_, docker=True).passed()
        second = run_plugin(FOLDER, with_, docker=True).passed()
        assert "CACHED" not in first.log
        assert "CACHED" in second.log
        assert target.tags() == {"latest", "buildcache"}

    def test_a_reference_of_its_own(self, run_plugin: PluginRunner, workspace: Path, target: Target) -> None:
        write(workspace, SMALL)
        cache = Target(target.registry, f"{target.image}-cache")
        run_plugin(FOLDER, target.inputs | {"cache": f"{cache.image}:main"}, docker=True).passed()
        assert target.tags() == {"latest"}
        assert cache.tags() == {"main"}

    def test_githubs_is_dropped_aloud(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | {"cache-from": "type=gha", "cache-to": "type=gha,mode=max"}
        result = run_plugin(FOLDER, with_, docker=True).passed()
        (warning,) = result.warnings
        assert "ACTIONS_RUNTIME_TOKEN" in warning
        assert not any("cache" in argument for argument in result.call("buildx", "build").argv)

    def test_one_that_cannot_be_written_does_not_fail_the_build(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        result = run_plugin(FOLDER, target.inputs | {"cache": "localhost:1/no/cache"}, docker=True).passed()
        assert target.tags() == {"latest"}
        # It is said where it is read: a build without its cache is slow and looks like any other.
        read, written = result.warnings
        assert read.startswith("a cache could not be read: localhost:1/no/cache: ")
        assert written.startswith("a cache could not be written: registry: ")
        assert written in result.log.splitlines()[-1]


class TestOwnBuildKit:
    def test_nothing_of_it_is_left(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        daemon: Any,
    ) -> None:
        write(workspace, SMALL)
        result = run_plugin(FOLDER, target.inputs | own_buildkit | {"tags": "a b"}, docker=True).passed()
        digest = result.outputs["DIGEST"]
        assert {target.digest("a"), target.digest("b")} == {digest}
        assert target.platforms(digest) == {"linux/amd64", "linux/arm64"}
        assert left_of(name_of_builder(result.log), daemon) == []

    def test_a_candidate_has_no_tag(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, own_buildkit: dict[str, str]
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | own_buildkit | {"push-by-digest": "true"}
        result = run_plugin(FOLDER, with_, docker=True).passed()
        assert target.tags() == set()
        assert target.platforms(result.outputs["DIGEST"]) == {"linux/amd64", "linux/arm64"}
        assert result.outputs["TAGS"] == ""

    @pytest.mark.parametrize(("asked", "is_artifact"), [(None, True), ("false", False)])
    def test_attestations_have_the_form_that_is_asked_for(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        asked: str | None,
        is_artifact: bool,
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | own_buildkit | ({"oci-artifact": asked} if asked else {})
        result = run_plugin(FOLDER, with_ | {"platforms": "linux/amd64"}, docker=True).passed()
        index = Reference.parse(result.outputs["REFERENCE"])
        (attestation,) = (each for each in target.client.children(index) if each.is_attestation)
        _, manifest = target.client.manifest(index.with_digest(attestation.digest))
        assert ("artifactType" in manifest) is is_artifact

    def test_docker_hubs_images_come_through_the_mirror(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, own_buildkit: dict[str, str]
    ) -> None:
        write(workspace, SMALL)
        run_plugin(FOLDER, target.inputs | {"tags": "base"}, docker=True).passed()
        write(workspace, "FROM mirrored/base:base\nCOPY content /more\n")
        hub = Target(target.registry, f"{target.registry.address}/proxy/mirrored/base")
        (workspace / "base").mkdir()
        write(workspace / "base", SMALL)
        run_plugin(FOLDER, hub.inputs | {"tags": "base", "context": "base"}, docker=True).passed()
        with_ = {"mirror": f"http://{target.registry.address}/proxy", "tags": "app"}
        run_plugin(FOLDER, target.inputs | own_buildkit | with_, docker=True).passed()
        assert "app" in target.tags()

    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
    def test_a_cancelled_job_leaves_nothing_of_it(
        self,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        daemon: Any,
        tmp_path: Path,
        signum: signal.Signals,
    ) -> None:
        # The build waits for a context that never answers.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            write(workspace, f"FROM scratch\nADD http://127.0.0.1:{silent.getsockname()[1]}/x /\n")
            process = start(workspace, target.inputs | own_buildkit, tmp_path)
            log = read_to(process, "transferring dockerfile")
            process.send_signal(signum)
            assert process.stdout is not None
            log += process.stdout.read()
            process.stdout.close()
        assert process.wait() == 128 + signum, log
        assert left_of(name_of_builder(log), daemon) == []

    def test_the_next_job_removes_what_a_killed_one_left_and_nothing_else(
        self,
        run_plugin: PluginRunner,
        workspace: Path,
        target: Target,
        own_buildkit: dict[str, str],
        daemon: Any,
        tmp_path: Path,
    ) -> None:
        """Two builds are held in their midst, and one of them is killed; a third job comes.

        Jobs of other tests use the daemon too; which of them all removes it is left open.
        """
        write(workspace, SMALL)
        builds = []
        try:
            names = []
            for _ in range(2):
                each = start(workspace, target.inputs | own_buildkit, tmp_path)
                builds.append(each)
                log = read_to(each, "transferring dockerfile")
                each.send_signal(signal.SIGSTOP)
                names.append(name_of_builder(log))
            killed, parallel = names
            assert len(left_of(killed, daemon)) == 2
            builds[0].kill()
            builds[0].wait()
            run_plugin(FOLDER, target.inputs | {"platforms": "linux/amd64"}, docker=True).passed()
            gone(killed, daemon)
            assert len(left_of(parallel, daemon)) == 2
            builds[1].send_signal(signal.SIGCONT)
            builds[1].wait()
            assert left_of(parallel, daemon) == []
        finally:
            for each in builds:
                each.kill()
                each.communicate()

    def test_nor_does_it_ask_for_one_by_its_age_alone(self, daemon: Any) -> None:
        """Whose owner cannot be asked for, as on another machine, goes after an hour without use."""
        image = os.environ["GOCDNEXT_REGISTRY_IMAGE"]
        now = datetime.now(UTC)
        token = secrets.token_hex(4)
        fresh, stale, foreign, other = (
            f"buildx_buildkit_{name}0"
            for name in (
                f"gocdnext-{now:%Y%m%dt%H%M%S}-p00000000.1.1-{token}",
                f"gocdnext-{now - timedelta(hours=2):%Y%m%dt%H%M%S}-p00000000.1.1-{token}",
                f"gocdnext-{now:%Y%m%dt%H%M%S}-c{token}0000-{token}",
                f"mine-{token}",
            )
        )
        try:
            for name in (fresh, stale, foreign, other):
                volume = f"{name}_state"
                daemon.containers.create(image, name=name, volumes={volume: {"bind": "/state", "mode": "rw"}})
            list(remove_orphans(DockerDaemon(os.environ)))
            gone(stale, daemon)
            gone(foreign, daemon)
            left = {each.name for each in daemon.containers.list(all=True) if token in (each.name or "")}
            volumes = {each.name for each in daemon.volumes.list() if token in each.name}
            assert left == {fresh, other}
            assert volumes == {f"{fresh}_state", f"{other}_state"}
        finally:
            for container in daemon.containers.list(all=True, filters={"name": token}):
                container.remove(force=True, v=True)
            for each in daemon.volumes.list(filters={"name": token}):
                each.remove()


class TestDaemon:
    def test_a_build_that_needs_no_emulator_goes_on_without(
        self, run_plugin: PluginRunner, workspace: Path, target: Target
    ) -> None:
        write(workspace, SMALL)
        with_ = target.inputs | {
            "platforms": "linux/amd64,linux/sparc64",
            "qemu-image": "localhost:1/no/qemu",
        }
        result = run_plugin(FOLDER, with_, docker=True).passed()
        (warning,) = result.warnings
        assert warning.startswith("the Docker daemon cannot emulate sparc64: ")
        assert target.platforms(result.outputs["DIGEST"]) == {"linux/amd64", "linux/sparc64"}

    def test_one_that_comes_up_late_is_waited_for(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, daemon: Any, tmp_path: Path
    ) -> None:
        write(workspace, SMALL)
        late = tmp_path / "late.sock"
        with_ = target.inputs | {"push": "false", "platforms": "linux/amd64"}
        with relayed(late, address(os.environ).removeprefix("unix://"), refused=2):
            result = run_plugin(FOLDER, with_, env={"DOCKER_HOST": f"unix://{late}"}).passed()
        assert f"waiting for the Docker daemon at unix://{late}" in result.log

    def test_bad_inputs_are_told_before_it_is_waited_for(
        self, run_plugin: PluginRunner, workspace: Path, target: Target, tmp_path: Path
    ) -> None:
        write(workspace, SMALL)
        nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/nowhere.sock"}
        result = run_plugin(FOLDER, target.inputs | {"push": "maybe"}, env=nowhere).exited(2)
        assert "waiting" not in result.log


def test_every_flag_exists(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(workspace, SMALL)
    monkeypatch.chdir(workspace)
    plugin = load_plugin(FOLDER)
    module = sys.modules[plugin.__module__]
    emitted = {"--metadata-file"}
    switches = ("push", "load", "no-cache", "pull", "push-by-digest")
    for values in product(("true", "false"), repeat=len(switches)):
        with_ = dict(zip(switches, values, strict=True)) | {
            "image": "ghcr.io/org/app",
            "build-args": "A=b",
            "secret-envs": "s=HOME",
            "secret-files": "f=Dockerfile",
            "build-contexts": "c=.",
            "labels": "a=b",
            "annotations": "index:a=b",
            "cache": "registry",
            "target": "0",
            "provenance": "mode=max",
            "sbom": "true",
        }
        if (with_["push"], with_["push-by-digest"]) == ("false", "true"):
            continue
        environ = {variable(key, "shared"): value for key, value in with_.items()} | {"HOME": "/"}
        inputs = read_inputs(plugin.inputs, environ)
        job = SimpleNamespace(environ=environ, workspace=workspace, ci=Ci())
        argv = module.BuildxBuild(inputs, job).command(Builder("default", frozenset()))
        emitted |= {word for word in argv if word.startswith("--")}
    assert len(emitted) > 15
    assert emitted <= flags("build")
    assert {"--name", "--driver", "--driver-opt", "--buildkitd-config", "--bootstrap"} <= flags("create")
    assert "--format" in flags("ls")
    assert "--force" in flags("rm")


def flags(command: str) -> set[str]:
    said = subprocess.run(["buildx", command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z][a-z-]*", said))


def start(workspace: Path, with_: dict[str, str], home: Path) -> subprocess.Popen[str]:
    """Start the plugin as a process of this host."""
    environ = {variable(key, "shared"): value for key, value in with_.items()}
    keep = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "gocdnext_sdk.host.harness.start", FOLDER],
        cwd=workspace,
        env={**keep, **environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_to(process: subprocess.Popen[str], words: str) -> str:
    """Return what a process prints up to the line that has `words`."""
    assert process.stdout is not None
    log = ""
    for line in process.stdout:
        log += line
        if words in line:
            return log
    raise AssertionError(log)


def name_of_builder(log: str) -> str:
    found = BUILDER.search(log)
    assert found, log
    return found[1]


def left_of(builder: str, daemon: Any) -> list[str]:
    """Return the names of what is left of a builder."""
    filters = {"name": builder}
    containers = [str(each.name) for each in daemon.containers.list(all=True, filters=filters)]
    return containers + [each.name for each in daemon.volumes.list(filters=filters)]


def gone(builder: str, daemon: Any, seconds: float = 30) -> None:
    """Return as soon as nothing of a builder is left, which a job of another test may be removing."""
    end = time.monotonic() + seconds
    while left := left_of(builder, daemon):
        assert time.monotonic() < end, left
        time.sleep(0.1)


@contextmanager
def watched_processes(values: Any) -> Iterator[set[str]]:
    """Give the set of those among `values` that turn up on the command line of any process meanwhile."""
    wanted = {value.encode() for value in values}
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    said = path.read_bytes()
                except OSError:
                    continue
                seen.update(value.decode() for value in wanted if value in said)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@contextmanager
def relayed(path: Path, to: str, *, refused: int) -> Iterator[None]:
    """Serve a socket at `path` that leads to the one at `to`, after it has hung up on the first `refused`."""
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        accepted = 0
        while not over.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            accepted += 1
            if accepted <= refused:
                client.close()
            else:
                threading.Thread(target=relay, args=(client, to), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(0.2)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def relay(client: socket.socket, to: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(to)
        back = threading.Thread(target=pour, args=(upstream, client))
        back.start()
        pour(client, upstream)
        back.join()


def pour(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
