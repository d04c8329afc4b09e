"""Run the release pipeline twice on this machine: with a vulnerable dependency, and without.

`make demo` prepares the host and calls this. Everything is real: the engine, the registry with its login,
buildx, trivy with published advisories, cosign with a key made for the occasion.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gocdnext_sdk import (
    Credential,
    Credentials,
    Error,
    Reference,
    Registry,
    RegistryClient,
    RegistryError,
    Secret,
)
from gocdnext_sdk.host.harness import LocalRegistry, RunOptions, RunReport, Session, run_pipeline
from gocdnext_sdk.host.harness.engine.docker import DockerEngine
from gocdnext_sdk.host.harness.report.console import ConsoleListener
from gocdnext_sdk.host.pipeline import Revision, Run, revision
from gocdnext_sdk.host.testing.keys import KeyPair, generate_key_pair

HERE = Path(__file__).resolve().parent
PIPELINES = HERE / ".gocdnext"
IMAGES = {
    f"gocdnext-plugin-{name}": f"localhost/gocdnext-plugin-{name}:dev"
    for name in ("buildx", "trivy", "cosign")
}


def options(registry: LocalRegistry, keys: KeyPair, requirements: str, images: dict[str, str]) -> RunOptions:
    """Return how the pipelines are run: against `registry`, on branch main, with the host's own base image.

    Args:
        registry: where the image goes and where the vulnerability database is.
        keys: what signs and verifies.
        requirements: which dependencies the image gets.
        images: the plugins' images on this engine.
    """
    return RunOptions(
        registry=registry,
        use_images=images,
        variables={
            "BASE": os.environ.get("BASE", "docker.io/library/python:3.13-slim-trixie"),
            "REQUIREMENTS": requirements,
            "TRIVY_DB": f"{registry.address}/trivy/db:2",
        },
        secrets={
            "COSIGN_PRIVATE_KEY": keys.private,
            "COSIGN_PASSWORD": keys.password,
            "COSIGN_PUBLIC_KEY": keys.public,
        },
        run=Run(revision=_revision(), cause="webhook"),
    )


@cache
def _revision() -> Revision:
    """Return what is checked out, as if it were on branch main."""
    return Revision(sha=revision.read(HERE).sha or "0" * 40, branch="main")


def push_database(registry: LocalRegistry) -> None:
    """Put the small vulnerability database into `registry`."""
    subprocess.run(
        [sys.executable, "-m", "testbed", "trivy-db", "push", f"{registry.address}/trivy/db:2"],
        cwd=HERE.parents[1],
        env={**os.environ, "REGISTRY_USERNAME": registry.username, "REGISTRY_PASSWORD": registry.password},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def client(registry: LocalRegistry) -> RegistryClient:
    """Return a client that looks at `registry` from this machine."""
    host = Registry.parse(registry.address)
    return RegistryClient(Credentials([Credential(host, registry.username, Secret(registry.password))]))


def main() -> int:
    """Run both, and print what was built, found and signed."""
    console = Console()
    with Session(DockerEngine()) as session:
        console.print("starting a registry with a login, with a vulnerability database and a signing key")
        registry = session.start_registry()
        push_database(registry)
        keys = generate_key_pair(os.environ, IMAGES["gocdnext-plugin-cosign"])
        listener = ConsoleListener(console)

        console.rule("1. a vulnerable dependency")
        vulnerable = options(registry, keys, "requirements-vulnerable.txt", IMAGES)
        failed = run_pipeline(PIPELINES / "release.yaml", vulnerable, session=session, listener=listener)

        console.rule("2. the dependency updated")
        clean = options(registry, keys, "requirements.txt", IMAGES)
        passed = run_pipeline(PIPELINES / "release.yaml", clean, session=session, listener=listener)
        signer = {name: image for name, image in IMAGES.items() if name.endswith("cosign")}
        verifying = replace(clean, use_images=signer)
        verified = run_pipeline(PIPELINES / "verify.yaml", verifying, session=session, listener=listener)
        console.rule("what happened")
        return _summary(console, client(registry), registry, failed, passed, verified)


def _summary(
    console: Console,
    registry: RegistryClient,
    at: LocalRegistry,
    failed: RunReport,
    passed: RunReport,
    verified: RunReport,
) -> int:
    """Print the table, every line of it read from the registry or a report; return the exit code."""
    table = Table(title="release of demo/linkcheck", show_header=True)
    for heading in ("", "vulnerable", "clean"):
        table.add_column(heading, overflow="fold")
    bad, good = (Reference.parse(run["build"].outputs["reference"]) for run in (failed, passed))
    tags = (_revision().sha[:8], _revision().branch, "latest")
    on_digest = [tag for tag in tags if registry.resolve(good.with_tag(tag)).digest == good.digest]

    def platforms(image: Reference) -> str:
        return ", ".join(str(child.platform) for child in registry.platforms(image))

    def signed(image: Reference) -> bool:
        try:
            registry.resolve(image.with_tag(str(image.digest).replace(":", "-")))
        except RegistryError:
            return False
        return True

    table.add_row("index digest", str(bad.digest), str(good.digest))
    table.add_row("platforms", platforms(bad), platforms(good))
    table.add_row("tags on it", "-", ", ".join(on_digest))
    table.add_row("findings", verdict(failed), verdict(passed))
    table.add_row("scan job", failed["trivy-scan"].status, passed["trivy-scan"].status)
    table.add_row("sign job", failed["cosign-sign"].status, passed["cosign-sign"].status)
    table.add_row("signature there", str(signed(bad)).lower(), str(signed(good)).lower())
    table.add_row(
        "cosign verify",
        "-",
        f"{verified['cosign-verify'].status}: {verified['cosign-verify'].outputs.get('digest')}",
    )
    console.print(table)
    expected = {
        "the vulnerable run stops at the scan": failed["trivy-scan"].exit_code == 1 and not failed.passed,
        "nothing signed the vulnerable image": not signed(bad),
        "the clean run passes": passed.passed and signed(good),
        "three tags are on the digest": len(on_digest) == 3,
        "the signature is on that digest": verified.passed
        and verified["cosign-verify"].outputs.get("digest") == good.digest,
    }
    for claim, true in expected.items():
        console.print(f"{'[green]ok[/]' if true else '[red]NOT SO[/]'}  {claim}")
    console.print(f"the registry was {at.address}; it and all containers are gone now")
    return 0 if all(expected.values()) else 1


def verdict(report: RunReport) -> str:
    """Return what the scan said it found; where is masked, as it came from a job that was needed."""
    found = re.search(r"(?:clean|findings): .*", report["trivy-scan"].text)
    return found[0].replace(" in ***", "") if found else "-"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        print("\n".join(f"error: {line}" for line in error.lines()), file=sys.stderr)
        sys.exit(error.exit_code)
