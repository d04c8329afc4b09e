"""The same job in the words of every CI system, for a plugin's page (docs/ci-systems.md).

What a system knows of a run it calls in its own way, so an expression of gocdnext becomes the nearest of that
system. Where none says the same, as GitHub has no short commit, it is the one that tags an image as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from gocdnext_sdk.contract import uses
from gocdnext_sdk.contract.dialects import dialect
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.model import Example, Manifest

_SECRET: Final = re.compile(r"\$\{\{ *(\w+) *\}\}")
_OTHER: Final = re.compile(r"\$\{\{ *\w+\.")
_VARIABLE: Final = re.compile(r"\$\{(CI_\w+)\}")


@dataclass(frozen=True)
class _Job:
    """One job that runs a plugin.

    Args:
        name: of the plugin, without the images' prefix.
        image: its image.
        inputs: the `with:` map.
        docker: whether it needs a Docker daemon.
    """

    name: str
    image: str
    inputs: Mapping[str, str]
    docker: bool

    def told(self, secret: str, names: Mapping[str, str], key: Callable[[str], str] = str) -> dict[str, str]:
        """Return the inputs as a system writes them.

        Args:
            secret: how it writes the secret NAME.
            names: how it writes a variable of gocdnext.
            key: what it calls an input.
        """
        return {
            key(name): _VARIABLE.sub(
                lambda found: names.get(found[1], found[0]),
                _SECRET.sub(lambda found: secret.replace("NAME", found[1]), text),
            )
            for name, text in self.inputs.items()
        }


def usage(manifest: Manifest) -> dict[str, str]:
    """Return the plugin's first example that needs no other job, as YAML by system; empty without one."""
    example = next((each for each in manifest.examples if not _OTHER.search(each.yaml)), None)
    if example is None:
        return {}
    job = _job(manifest, example)
    return {"gocdnext": example.yaml.strip() + "\n"} | {
        dialect(name).title: yaml.safe_dump(render(job), sort_keys=False, allow_unicode=True, width=100)
        for name, render in SYSTEMS.items()
    }


def _job(manifest: Manifest, example: Example) -> _Job:
    content = yaml.load(example.yaml, Loader=yaml.BaseLoader)  # noqa: S506 - it makes text of everything
    inputs = {str(key): str(value) for key, value in (content.get("with") or {}).items()}
    name = manifest.name.removeprefix("gocdnext-plugin-")
    return _Job(name, uses.image(content["uses"]), inputs, content.get("docker") == "true")


def _github(job: _Job) -> object:
    names = {"CI_COMMIT_SHA": "${{ github.sha }}", "CI_COMMIT_SHORT_SHA": "${{ github.sha }}"}
    names |= dict.fromkeys(("CI_BRANCH", "CI_TAG_NAME"), "${{ github.ref_name }}")
    step = {"uses": f"docker://{job.image}", "with": job.told("${{ secrets.NAME }}", names)}
    return [{"uses": "actions/checkout@v4"}, {"id": job.name, **step}]


def _gitlab(job: _Job) -> object:
    names = {name: f"${name}" for name in ("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA")}
    names |= {"CI_BRANCH": "$CI_COMMIT_BRANCH", "CI_TAG_NAME": "$CI_COMMIT_TAG"}
    variables = job.told("$NAME", names, variable)
    docker = {"services": ["docker:dind"]} if job.docker else {}
    variables |= {"DOCKER_HOST": "tcp://docker:2375", "DOCKER_TLS_CERTDIR": ""} if job.docker else {}
    return {job.name: {"image": job.image, **docker, "variables": variables, "script": [":"]}}


def _settings(job: _Job, prefix: str, names: Mapping[str, str], mount: Mapping[str, object]) -> object:
    settings: dict[str, object] = {}
    for key, text in job.told(
        "<NAME>", {name: f"${{{prefix}{text}}}" for name, text in names.items()}
    ).items():
        secret = re.fullmatch(r"<(\w+)>", text)
        settings[key] = {"from_secret": secret[1].lower()} if secret else text
    return {"steps": [{"name": job.name, "image": job.image, "settings": settings, **mount}]}


_COMMIT: Final = {"CI_COMMIT_SHA": "COMMIT_SHA", "CI_COMMIT_SHORT_SHA": "COMMIT_SHA:0:8"}


def _woodpecker(job: _Job) -> object:
    names = _COMMIT | {"CI_BRANCH": "COMMIT_BRANCH", "CI_TAG_NAME": "COMMIT_TAG"}
    socket = "/var/run/docker.sock:/var/run/docker.sock"
    return _settings(job, "CI_", names, {"volumes": [socket]} if job.docker else {})


def _drone(job: _Job) -> object:
    names = _COMMIT | {"CI_BRANCH": "COMMIT_BRANCH", "CI_TAG_NAME": "TAG"}
    mount = {"volumes": [{"name": "docker", "path": "/var/run/docker.sock"}]} if job.docker else {}
    return _settings(job, "DRONE_", names, mount)


def _bitbucket(job: _Job) -> object:
    rules = dialect("bitbucket")
    names = dict.fromkeys(("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA"), "$BITBUCKET_COMMIT")
    names |= {"CI_BRANCH": "$BITBUCKET_BRANCH", "CI_TAG_NAME": "$BITBUCKET_TAG"}
    pipe = {"pipe": f"docker://{job.image}", "variables": job.told("$NAME", names, rules.naming)}
    return {"step": {**({"services": ["docker"]} if job.docker else {}), "script": [pipe]}}


def _tekton(job: _Job) -> object:
    names = dict.fromkeys(_VARIABLES, "$(params.revision)")
    env: list[dict[str, Any]] = [{"name": "CI_SYSTEM_NAME", "value": "tekton"}]
    for key, text in job.told("<NAME>", names, variable).items():
        secret = re.fullmatch(r"<(\w+)>", text)
        reference = {"secretKeyRef": {"name": job.name, "key": secret[1]}} if secret else None
        env.append({"name": key, **({"valueFrom": reference} if reference else {"value": text})})
    step = {"name": job.name, "image": job.image, "workingDir": "$(workspaces.source.path)", "env": env}
    return {"steps": [step]}


_VARIABLES: Final = ("CI_COMMIT_SHA", "CI_COMMIT_SHORT_SHA", "CI_BRANCH", "CI_TAG_NAME")

SYSTEMS: Final[Mapping[str, Callable[[_Job], object]]] = {
    "github": _github,
    "gitlab": _gitlab,
    "woodpecker": _woodpecker,
    "drone": _drone,
    "bitbucket": _bitbucket,
    "tekton": _tekton,
}
"""What writes a job for each system."""
