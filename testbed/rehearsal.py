"""The release pipeline of this repository, from an empty registry to signed images with their tags.

Two throw-away registries, each with a login of its own, and a private Sigstore stand for the world. Where
the engine cannot pull, the stages of the Dockerfiles, the BuildKit and the SBOM generator come from the
testbed, for both platforms; everything else is the pipeline as it stands.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gocdnext_sdk import Credential, Credentials, Reference, Registry, RegistryClient, Secret
from gocdnext_sdk.host.harness import LocalRegistry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.local_sigstore import LocalSigstore
from gocdnext_sdk.host.harness.report.console import ConsoleListener, open_console
from gocdnext_sdk.host.harness.signatures import unsigned
from gocdnext_sdk.host.pipeline import Revision, Run, revision
from gocdnext_sdk.host.pipeline.builtins import Tag
from gocdnext_sdk.tools.cosign.policy import Policy
from testbed import bases, checking, engine, environment, images, package_index, tools, trivydb
from testbed.cache import say, step
from testbed.package_index import PackageIndex
from testbed.pins import ROOT

PIPELINE = ROOT / ".gocdnext" / "release.yaml"
CHECK = ROOT / ".gocdnext" / "plugins" / "image-check"
PACKAGE = ROOT / ".gocdnext" / "plugins" / "python-package"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def tags_of(version: str) -> tuple[str, ...]:
    """Return the tags that a version of the project gives its images, the full version first."""
    if "-" in version:
        return (version,)
    major, minor, _ = version.split(".")
    return (version, f"{major}.{minor}", major, f"v{major}", "latest")


TAGS = tags_of(VERSION)
SHELL_TAGS = tuple(f"{tag}-shell" for tag in TAGS)
PLUGINS = ("buildx", "kaniko", "trivy", "cosign", "docker-push")
RUNNING = tuple(name for name in PLUGINS if name != "kaniko")
"""Those that the pipeline itself uses."""
IMAGES = {name: f"gocdnext-plugin-{name}" for name in ("base", *PLUGINS)} | {"sigstore": "gocdnext-sigstore"}
"""What is published, by the job that builds it."""
SHELLS = {f"{name}-shell": IMAGES[name] for name in PLUGINS}
"""What is published once more, with a shell and tags of its own."""
OWNER = "klinux"
PROJECT = "gocdnext-plugins"
ARCHITECTURES = bases.PLATFORMS["python"]
GENERATOR = Path(__file__).with_name("sbom-generator")


@dataclass(frozen=True)
class World:
    """What the pipeline runs against."""

    session: Session
    staging: LocalRegistry
    production: LocalRegistry
    sigstore: LocalSigstore
    index: PackageIndex

    @property
    def signer(self) -> str:
        """Who signs the release."""
        return f"{self.sigstore.issuer}/{PROJECT}/release@tag/v{VERSION}"

    def published(self, name: str) -> Reference:
        """Return one of the images, by the job that builds it, without a tag."""
        return Reference.parse(f"{self.production.address}/{OWNER}/{(IMAGES | SHELLS)[name]}")

    def registry(self) -> RegistryClient:
        """Return a client that reads both registries."""
        logins = [
            Credential(Registry.parse(each.address), each.username, Secret(each.password))
            for each in (self.staging, self.production)
        ]
        return RegistryClient(Credentials(logins))


@contextmanager
def world() -> Iterator[World]:
    """Start it; everything is gone after the block."""
    with Session(DockerEngine()) as session:
        staging, production = session.start_registries(2)
        sigstore = session.start_sigstore(staging.network)
        with package_index.started(staging.network, session.labels) as index:
            yield World(session, staging, production, sigstore, index)


def rehearse(architectures: tuple[str, ...] = ARCHITECTURES) -> int:
    """Run the pipeline and verify what it published, as its users would; return the exit code."""
    if engine.can_pull(engine.up()):
        checking.main()
    environment.setup("test")
    console = open_console("auto")
    with world() as here:
        variables = stand_ins(here.staging, architectures)
        variables["PLATFORMS"] = ",".join(f"linux/{each}" for each in architectures)
        start = time.monotonic()
        report = release(here, variables, ConsoleListener(console))
        say(f"the pipeline took {time.monotonic() - start:.0f} s")
        if not report.passed:
            return report.exit_code
        for name in IMAGES:
            say(verify(here, name, TAGS))
        for name in SHELLS:
            say(verify(here, name, SHELL_TAGS))
        verify_images(here)
        say(sizes(here))
    return 0


def release(here: World, variables: dict[str, str], listener: ConsoleListener | None = None) -> RunReport:
    """Run the pipeline for the tag of a version."""
    options = RunOptions(
        registry=here.staging,
        sigstore=here.sigstore,
        use_images={f"gocdnext-plugin-{name}": images.plugin_tag(name) for name in RUNNING},
        local={"gocdnext-plugin-image-check": CHECK, "gocdnext-plugin-python-package": PACKAGE},
        variables={
            "STAGING": "staging",
            "PRODUCTION": here.production.address,
            "OWNER": OWNER,
            "SIGNER": here.signer,
            "INDEX": here.index.url,
            "SOCKET": engine.up().removeprefix("unix://"),
            **variables,
        },
        secrets={
            "PRODUCTION_USERNAME": here.production.username,
            "PRODUCTION_PASSWORD": here.production.password,
            "INDEX_TOKEN": here.index.token,
        },
        run=Run(
            revision=Revision(sha=revision.read(ROOT).sha),
            cause="tag",
            tag=Tag(f"v{VERSION}"),
            project_slug=PROJECT,
        ),
        parallel=2,
    )
    return run_pipeline(PIPELINE, options, session=here.session, listener=listener)


def stand_ins(staging: LocalRegistry, architectures: tuple[str, ...]) -> dict[str, str]:
    """Give the pipeline's variables for a host that cannot pull; push there what they name."""
    trivydb.push(f"{staging.address}/trivy/db:2", staging.username, staging.password)
    found = {"TRIVY_DB": f"{staging.address}/trivy/db:2", "DRIVER_OPTS": "network=host"}
    if engine.can_pull(engine.up()):
        return found
    contexts = {name: f"{staging.address}/stages/{name}:1" for name in environment.STAGES}
    with logged_in(staging), step(f"pushing the tools for {', '.join(architectures)}"):
        for name, ref in contexts.items():
            push_tool(name, ref, architectures)
        python = f"{staging.address}/stages/python:1"
        bases.push("python", python)
        generator = f"{staging.address}/stages/sbom-generator:1"
        push_generator(generator)
    contexts |= {"python": python, "native": python}
    return found | {
        "CONTEXTS": "\n".join(f"{name}=docker-image://{ref}" for name, ref in contexts.items()),
        "BUILDKIT_IMAGE": os.environ["BUILDKIT_IMAGE"],
        "SBOM": f"generator={generator}",
    }


def push_tool(name: str, ref: str, architectures: tuple[str, ...]) -> None:
    """Push a tool as an image of several platforms, each with its own program."""
    folders = {each: tools.get(name, architecture=each)[0] for each in architectures}
    with tempfile.TemporaryDirectory() as scratch:
        stages = "".join(f"FROM scratch AS of-{each}\nCOPY --from={each} / /\n" for each in folders)
        Path(scratch, "Dockerfile").write_text(f"{stages}FROM of-$TARGETARCH\n")
        contexts = [f"{each}={folder}" for each, folder in folders.items()]
        images.push(Path(scratch), ref, contexts, architectures)


def push_generator(ref: str) -> None:
    """Push an SBOM generator that asks Trivy, for a host that cannot pull Docker's."""
    contexts = [
        f"trivy=docker-image://{images.plugin_tag('trivy')}",
        f"base=docker-image://{images.BASE}",
    ]
    images.push(GENERATOR, ref, contexts, ("amd64",))


@contextmanager
def logged_in(registry: LocalRegistry) -> Iterator[None]:
    """Let buildx and cosign on this machine use a registry's login while the block runs."""
    pair = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    before = os.environ.get("DOCKER_CONFIG")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": pair}}}))
        os.environ["DOCKER_CONFIG"] = folder
        try:
            yield
        finally:
            os.environ.pop("DOCKER_CONFIG")
            if before is not None:
                os.environ["DOCKER_CONFIG"] = before


def verify(here: World, name: str, tags: tuple[str, ...]) -> str:
    """Verify that one image and each of its manifests are signed, and that all of its tags are on it."""
    image, registry = here.published(name), here.registry()
    digests = {registry.resolve(image.with_tag(tag)).digest for tag in tags}
    (digest,) = digests
    subject = image.with_digest(digest)
    with logged_in(here.production), tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root.json")
        root.write_text(json.dumps(here.sigstore.trusted_root))
        policy = Policy(identity=here.signer, issuer=here.sigstore.issuer, trusted_root=str(root), sct=False)
        children = [subject, *(image.with_digest(each.digest) for each in registry.children(subject))]
        for each in children:
            if reason := unsigned("cosign", policy, each):
                sys.exit(f"{each}: {reason}")
    platforms = sorted(str(each.platform) for each in registry.platforms(subject))
    return f"{subject}: {len(children)} manifests signed, {', '.join(platforms)}"


def verify_images(here: World) -> None:
    """Let the command of that name verify a pipeline of what was published, and refuse a stranger."""
    with logged_in(here.production), tempfile.TemporaryDirectory() as folder:
        root, pipeline = Path(folder, "root.json"), Path(folder, "pipeline.yaml")
        root.write_text(json.dumps(here.sigstore.trusted_root))
        jobs = {name: {"stage": "all", "uses": f"{here.published(name)}@{VERSION}"} for name in PLUGINS}
        pipeline.write_text(json.dumps({"name": "users", "stages": ["all"], "jobs": jobs}))
        command = (sys.executable, "-m", "gocdnext_sdk.host.cli", "verify-images", pipeline)
        options = ("--issuer", here.sigstore.issuer, "--trusted-root", root, "--image", "*/gocdnext-plugin-*")
        for identity, expected in ((here.signer, 0), (here.signer.replace("release", "other"), 1)):
            argv = (*command, *options, "--identity", identity)
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            say(done.stdout + done.stderr)
            if done.returncode != expected:
                sys.exit(f"verify-images: {done.returncode} instead of {expected}")


def sizes(here: World) -> str:
    """Give a table of what one has to download of each image and platform."""
    registry = here.registry()
    lines = [f"{'compressed MB':<40}" + "".join(f"{each:>8}" for each in ARCHITECTURES)]
    for name in IMAGES:
        image = here.published(name)
        columns = []
        for child in sorted(registry.platforms(image.with_tag(VERSION)), key=lambda each: str(each.platform)):
            _, manifest = registry.manifest(image.with_digest(child.digest))
            columns.append(sum(layer["size"] for layer in manifest["layers"]) / 1e6)
        lines.append(f"{image.short_name:<40}" + "".join(f"{each:8.1f}" for each in columns))
    return "\n".join(lines)
