"""The published release recipe, letter for letter, and its variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from gocdnext_sdk.host.pipeline import Graph, Revision, Run, Sources, parse_file, resolve

FOLDER = Path(__file__).parents[4] / "examples" / "recipe"
PEM = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nMC4=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
SECRETS = {
    "GHCR_USERNAME": "ann",
    "GHCR_TOKEN": "ghp_0123456789",
    "COSIGN_PRIVATE_KEY": PEM,
    "COSIGN_PASSWORD": "p@$$w${X}",
}
LOGIN = {"PLUGIN_USERNAME": "ann", "PLUGIN_PASSWORD": "ghp_0123456789"}
APP = "ghcr.io/klinux/myapp"

BUILDX = LOGIN | {
    "PLUGIN_IMAGE": APP,
    "PLUGIN_TAGS": "01234567\nmain\nlatest\n",
    "PLUGIN_CONTEXT": ".",
    "PLUGIN_DOCKERFILE": "Dockerfile",
    "PLUGIN_PLATFORMS": "linux/amd64,linux/arm64",
    "PLUGIN_CACHE_FROM": "type=gha,scope=myapp",
    "PLUGIN_CACHE_TO": "type=gha,scope=myapp,mode=max",
    "PLUGIN_PUSH": "true",
    "PLUGIN_REGISTRY": "ghcr.io",
}
KANIKO = LOGIN | {
    "PLUGIN_IMAGE": f"{APP}:01234567",
    "PLUGIN_CONTEXT": ".",
    "PLUGIN_DOCKERFILE": "Dockerfile",
    "PLUGIN_CACHE": "true",
    "PLUGIN_REGISTRY": "ghcr.io",
}
TRIVY = LOGIN | {
    "PLUGIN_SCAN_TYPE": "image",
    "PLUGIN_TARGET": f"{APP}:01234567",
    "PLUGIN_SEVERITY": "HIGH,CRITICAL",
    "PLUGIN_EXIT_CODE": "1",
    "PLUGIN_IGNORE_UNFIXED": "true",
}
COSIGN = LOGIN | {
    "PLUGIN_IMAGE": f"{APP}:01234567",
    "PLUGIN_ACTION": "sign",
    "PLUGIN_REGISTRY": "ghcr.io",
    "PLUGIN_KEY_CONTENT": PEM,
    "PLUGIN_KEY_PASSWORD": "p@$$w${X}",
}
KEYLESS = LOGIN | {
    "PLUGIN_IMAGE": f"{APP}:01234567",
    "PLUGIN_ACTION": "sign",
    "PLUGIN_REGISTRY": "ghcr.io",
    "PLUGIN_CERT_IDENTITY": (
        "https://github.com/klinux/myapp/.github/workflows/release.yaml@refs/heads/main"
    ),
    "PLUGIN_CERT_OIDC_ISSUER": "https://token.actions.githubusercontent.com",
}


@pytest.mark.parametrize(
    ("file", "build", "sign"),
    [
        ("release.yaml", ("buildx", BUILDX), COSIGN),
        ("keyless.yaml", ("buildx", BUILDX), KEYLESS),
        ("kaniko.yaml", ("kaniko", KANIKO), COSIGN),
    ],
)
def test_it_parses_and_resolves(file: str, build: tuple[str, dict[str, str]], sign: dict[str, str]) -> None:
    pipeline = parse_file(FOLDER / file)
    run = Run(revision=Revision("0123456789abcdef0123456789abcdef01234567", "main"))
    jobs = [resolve(pipeline, job, Sources(run=run, secrets=SECRETS)) for job in Graph.of(pipeline).jobs]

    assert pipeline.name == "release"
    assert pipeline.trigger.events == ("push", "tag")
    assert pipeline.notices == ()
    assert [(job.stage, job.name, job.docker) for job in jobs] == [
        ("build", "build", build[0] == "buildx"),
        ("scan", "trivy-scan", False),
        ("sign", "cosign-sign", False),
    ]
    plugins = (build[0], "trivy", "cosign")
    assert [job.image for job in jobs] == [f"ghcr.io/klinux/gocdnext-plugin-{p}:v1" for p in plugins]
    inputs = [{k: v for k, v in job.env.items() if k.startswith("PLUGIN_")} for job in jobs]
    assert inputs == [build[1], TRIVY, sign]


def test_a_job_sees_its_own_secrets_only() -> None:
    pipeline = parse_file(FOLDER / "release.yaml")
    build, scan, sign = (resolve(pipeline, job, Sources(secrets=SECRETS)) for job in Graph.of(pipeline).jobs)
    assert "COSIGN_PASSWORD" not in build.env | scan.env
    assert sign.masks == (PEM, "p@$$w${X}", "ann", "ghp_0123456789")
