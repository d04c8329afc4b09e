"""What other CI systems want to know of a plugin, from its model (docs/ci-systems.md).

Source: GitHub's metadata syntax for actions; GitLab's CI/CD components; Tekton's Task v1; bitbucket-pipes'
`pipe.yml`; Woodpecker's plugin index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from gocdnext_sdk.contract import uses
from gocdnext_sdk.contract.dialects import dialect
from gocdnext_sdk.contract.dialects.base import OUTPUTS_FILE
from gocdnext_sdk.contract.keys import variable
from gocdnext_sdk.host.manifest.model import InputSpec, Manifest

_USES: Final = re.compile(r"(?m)^\s*uses:\s*(\S+)\s*$")

HEADER: Final = "# Generated from plugin.py by `gocdnext-plugin manifest`.\n"


def github(manifest: Manifest) -> str:
    """Return an ``action.yml``. Its inputs have no `default:`, or all of them would count as given."""
    return _dumped(
        {
            "name": _title(manifest),
            "description": manifest.description,
            "inputs": {
                spec.name: {"description": _described(spec), "required": spec.required}
                | ({"deprecationMessage": f"write {spec.successor}"} if spec.successor else {})
                for spec in manifest.inputs
            },
            "outputs": {name: {"description": text} for name, text in manifest.outputs.items()},
            "runs": {"using": "docker", "image": f"docker://{_image(manifest)}"},
        }
    )


def gitlab(manifest: Manifest) -> str:
    """Return a component's template: typed inputs, and a job whose outputs are a dotenv report."""
    inputs: dict[str, Any] = {
        "job-name": {"default": _short(manifest)},
        "stage": {"default": "test"},
    }
    for spec in manifest.inputs:
        if spec.secret:
            continue  # the interpolated job is shown to people; a masked variable of that name reaches it
        # Required means here: there is no default. An empty text is not given.
        inputs[spec.name] = {"description": _described(spec)} | ({} if spec.required else {"default": ""})
    variables = {
        variable(spec.name): f"$[[ inputs.{spec.name} ]]" for spec in manifest.inputs if not spec.secret
    }
    file = f"{_short(manifest)}.env"
    job = {
        "stage": "$[[ inputs.stage ]]",
        "image": _image(manifest),
        "variables": variables | {variable(OUTPUTS_FILE): file},
        "script": [":"],  # GitLab wants one; the image's entrypoint takes no notice of it
        "artifacts": {"when": "always", "reports": {"dotenv": file}},
    }
    return (
        _dumped({"spec": {"inputs": inputs}}) + "---\n" + _dumped({"$[[ inputs.job-name ]]": job}, header="")
    )


def bitbucket(manifest: Manifest) -> str:
    """Return a ``pipe.yml``."""
    rules = dialect("bitbucket")
    variables = [
        {"name": rules.naming(spec.name), "description": _described(spec), "required": spec.required}
        | ({"secret": True} if spec.secret else {})
        | ({"allowed_values": list(spec.choices)} if spec.choices else {})
        for spec in manifest.inputs
    ]
    content = {"name": _title(manifest), "image": _image(manifest), "description": manifest.description}
    return _dumped(content | {"variables": variables})


def tekton(manifest: Manifest) -> str:
    """Return a Task: parameters, secrets by a Secret's keys, results."""
    given = [spec for spec in manifest.inputs if not spec.secret]
    name = _short(manifest)
    env: list[dict[str, Any]] = [{"name": "CI_SYSTEM_NAME", "value": "tekton"}]
    env += [{"name": variable(spec.name), "value": f"$(params.{spec.name})"} for spec in given]
    env += [
        {
            "name": variable(spec.name),
            "valueFrom": {"secretKeyRef": {"name": name, "key": spec.name, "optional": True}},
        }
        for spec in manifest.inputs
        if spec.secret
    ]
    step = {"name": name, "image": _image(manifest), "workingDir": "$(workspaces.source.path)", "env": env}
    return _dumped(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "Task",
            "metadata": {"name": name},
            "spec": {
                "description": manifest.description,
                "workspaces": [{"name": "source", "description": "The checkout."}],
                "params": [
                    {"name": spec.name, "description": _described(spec)}
                    | ({} if spec.required else {"default": ""})
                    for spec in given
                ],
                "results": [
                    {"name": output, "description": text} for output, text in manifest.outputs.items()
                ],
                "steps": [step],
            },
        }
    )


def woodpecker(manifest: Manifest) -> str:
    """Return the page of Woodpecker's plugin index, whose settings Drone's users read too."""
    head = {"name": _title(manifest), "description": manifest.description, "containerImage": _image(manifest)}
    rows = []
    for spec in manifest.inputs:
        text = _described(spec).replace("|", "\\|")
        rows.append(f"| `{spec.name}` | {'yes' if spec.required else 'no'} | {text} |")
    table = "\n".join(["| setting | required | what it is for |", "| --- | --- | --- |", *rows])
    return f"---\n{_dumped(head, header='')}---\n\n## Settings\n\n{table}\n"


FILES: Final[Mapping[str, tuple[str, Callable[[Manifest], str]]]] = {
    "github": ("ci/github/action.yml", github),
    "gitlab": ("ci/gitlab/template.yml", gitlab),
    "bitbucket": ("ci/bitbucket/pipe.yml", bitbucket),
    "tekton": ("ci/tekton/task.yaml", tekton),
    "woodpecker": ("ci/woodpecker/docs.md", woodpecker),
    "drone": ("ci/drone/settings.md", woodpecker),
}
"""For each system the file in a plugin's directory, and what it holds."""


def _short(manifest: Manifest) -> str:
    return manifest.name.removeprefix("gocdnext-plugin-")


def _title(manifest: Manifest) -> str:
    return f"gocdnext {_short(manifest)}"


def _image(manifest: Manifest) -> str:
    """Return the image that the plugin's own examples use; without one, its bare name."""
    used = (found[1] for each in manifest.examples if (found := _USES.search(each.yaml)))
    named = (each for each in used if each.partition("@")[0].endswith(f"/{manifest.name}"))
    return uses.image(next(named, f"{manifest.name}@{manifest.image_tag}"))


def _described(spec: InputSpec) -> str:
    default = f" Default: {spec.default!r}." if spec.default else ""
    return f"{spec.description}{default}"


def _dumped(content: Mapping[str, Any], header: str = HEADER) -> str:
    return header + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)
