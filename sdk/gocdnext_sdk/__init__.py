"""Write container plugins for gocdnext pipelines.

```python
from gocdnext_sdk import Input, Job, Plugin, PluginInputs, WorkspacePath


class HadolintInputs(PluginInputs):
    dockerfile: WorkspacePath = Input("Dockerfile", description="The Dockerfile to check.")


class Hadolint(Plugin[HadolintInputs]):
    \"\"\"Lint a Dockerfile with hadolint.\"\"\"

    name = "gocdnext-plugin-hadolint"
    inputs = HadolintInputs

    def run(self, inputs: HadolintInputs, job: Job) -> dict[str, str]:
        job.tool("hadolint").run(inputs.dockerfile)
        return {}


if __name__ == "__main__":
    Hadolint.main()
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gocdnext_sdk.errors import (
        ContainerError,
        DaemonError,
        Error,
        Findings,
        GitError,
        HttpError,
        InputError,
        InputMismatch,
        Invalid,
        OutputError,
        Problem,
        RegistryError,
        ToolError,
        UsageError,
        doing,
        quoted,
    )
    from gocdnext_sdk.inputs.constraints import (
        Always,
        AtLeastOne,
        Constraint,
        MutuallyExclusive,
        OnlyWith,
        RequiredIf,
        RequiredTogether,
    )
    from gocdnext_sdk.inputs.facts import (
        DaemonUse,
        Downloads,
        Gates,
        Publishes,
        Reads,
        ReadsWorkspace,
        Signs,
        Writes,
    )
    from gocdnext_sdk.inputs.image_build import BUILD_OUTPUTS, ImageBuildInputs
    from gocdnext_sdk.inputs.image_metadata import Annotations
    from gocdnext_sdk.inputs.image_tags import ImageTagInputs, TagFlavor, TagRules
    from gocdnext_sdk.inputs.model import Input, PluginInputs
    from gocdnext_sdk.inputs.registry_login import RegistryLoginInputs
    from gocdnext_sdk.inputs.types import (
        Boolean,
        BranchTags,
        Certificates,
        Duration,
        Items,
        JsonDocument,
        Lines,
        Pairs,
        Platforms,
        References,
        Regexp,
        RegistryHost,
        RegistryHosts,
        Tags,
        Words,
        WorkspacePath,
        from_text,
        in_workspace,
        one_of,
    )
    from gocdnext_sdk.oci.client import RegistryClient
    from gocdnext_sdk.oci.credentials import Credential, Credentials
    from gocdnext_sdk.oci.reference import Reference, Registry
    from gocdnext_sdk.plugin import Plugin
    from gocdnext_sdk.runtime.ci import Ci
    from gocdnext_sdk.runtime.daemon import Daemon
    from gocdnext_sdk.runtime.git import Commit, Git
    from gocdnext_sdk.runtime.http import HttpResponse
    from gocdnext_sdk.runtime.job import Job
    from gocdnext_sdk.runtime.runner import Completed
    from gocdnext_sdk.runtime.tool import Tool
    from gocdnext_sdk.secret import Secret

_NAMES = {
    "runtime.daemon": ("Daemon",),
    "errors": (
        "ContainerError",
        "DaemonError",
        "Error",
        "Findings",
        "GitError",
        "HttpError",
        "InputError",
        "InputMismatch",
        "Invalid",
        "OutputError",
        "Problem",
        "RegistryError",
        "ToolError",
        "UsageError",
        "doing",
        "quoted",
    ),
    "inputs.constraints": (
        "Always",
        "AtLeastOne",
        "Constraint",
        "MutuallyExclusive",
        "OnlyWith",
        "RequiredIf",
        "RequiredTogether",
    ),
    "inputs.facts": (
        "DaemonUse",
        "Downloads",
        "Gates",
        "Publishes",
        "Reads",
        "ReadsWorkspace",
        "Signs",
        "Writes",
    ),
    "inputs.image_build": ("BUILD_OUTPUTS", "ImageBuildInputs"),
    "inputs.image_metadata": ("Annotations",),
    "inputs.image_tags": ("ImageTagInputs", "TagFlavor", "TagRules"),
    "inputs.registry_login": ("RegistryLoginInputs",),
    "inputs.model": ("Input", "PluginInputs"),
    "inputs.types": (
        "Boolean",
        "BranchTags",
        "Certificates",
        "Duration",
        "Items",
        "JsonDocument",
        "Lines",
        "Pairs",
        "Platforms",
        "References",
        "Regexp",
        "RegistryHost",
        "RegistryHosts",
        "Tags",
        "Words",
        "WorkspacePath",
        "from_text",
        "in_workspace",
        "one_of",
    ),
    "runtime.ci": ("Ci",),
    "runtime.git": ("Commit", "Git"),
    "runtime.http": ("HttpResponse",),
    "runtime.job": ("Job",),
    "oci.client": ("RegistryClient",),
    "oci.credentials": ("Credential", "Credentials"),
    "oci.reference": ("Reference", "Registry"),
    "plugin": ("Plugin",),
    "secret": ("Secret",),
    "runtime.runner": ("Completed",),
    "runtime.tool": ("Tool",),
}
"""Where each name lives.

A job pays for every import at its start, so a module is loaded when a name of it is used.
"""

_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}

__all__ = [
    "BUILD_OUTPUTS",
    "Always",
    "Annotations",
    "AtLeastOne",
    "Boolean",
    "BranchTags",
    "Certificates",
    "Ci",
    "Commit",
    "Completed",
    "Constraint",
    "ContainerError",
    "Credential",
    "Credentials",
    "Daemon",
    "DaemonError",
    "DaemonUse",
    "Downloads",
    "Duration",
    "Error",
    "Findings",
    "Gates",
    "Git",
    "GitError",
    "HttpError",
    "HttpResponse",
    "ImageBuildInputs",
    "ImageTagInputs",
    "Input",
    "InputError",
    "InputMismatch",
    "Invalid",
    "Items",
    "Job",
    "JsonDocument",
    "Lines",
    "MutuallyExclusive",
    "OnlyWith",
    "OutputError",
    "Pairs",
    "Platforms",
    "Plugin",
    "PluginInputs",
    "Problem",
    "Publishes",
    "Reads",
    "ReadsWorkspace",
    "Reference",
    "References",
    "Regexp",
    "Registry",
    "RegistryClient",
    "RegistryError",
    "RegistryHost",
    "RegistryHosts",
    "RegistryLoginInputs",
    "RequiredIf",
    "RequiredTogether",
    "Secret",
    "Signs",
    "TagFlavor",
    "TagRules",
    "Tags",
    "Tool",
    "ToolError",
    "UsageError",
    "Words",
    "WorkspacePath",
    "Writes",
    "doing",
    "from_text",
    "in_workspace",
    "one_of",
    "quoted",
]


if not TYPE_CHECKING:  # else every name would be one to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
