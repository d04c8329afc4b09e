"""What authors write, and mypy takes in its strict mode as it stands."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gocdnext_sdk import (
    Boolean,
    Findings,
    Input,
    Job,
    Lines,
    Pairs,
    Plugin,
    PluginInputs,
    Reference,
    RegistryLoginInputs,
    Secret,
    Words,
    WorkspacePath,
    one_of,
)


class LinterInputs(RegistryLoginInputs):
    """Every kind of input."""

    image: Reference = Input(description="The image.")
    dockerfile: WorkspacePath = Input("Dockerfile", description="The Dockerfile.")
    level: Literal["error", "warning"] = Input("error", description="What fails.")
    scanners: Annotated[Words, one_of("vuln", "secret")] = Input("vuln", description="Which.")
    rules: Lines = Input((), description="One a line.")
    labels: Pairs = Input((), description="Labels.")
    retries: Annotated[int, Field(ge=0)] = Input(3, description="How often.")
    verbose: Boolean = Input("false", description="More.")
    token: Secret | None = Input(None, description="A token.", tool_env="LINTER_TOKEN")


class Linter(Plugin[LinterInputs]):
    """Lint an image."""

    name = "gocdnext-plugin-linter"
    inputs = LinterInputs
    outputs = {"FINDINGS": "how many", "DIGEST": "of what"}

    def run(self, inputs: LinterInputs, job: Job) -> dict[str, str]:
        tool = job.tool("linter", env=inputs.tool_environ())
        argv = [f"--label={key}={value or ''}" for key, value in inputs.labels]
        done = tool.run("--level", inputs.level, *argv, *inputs.rules, inputs.dockerfile, ok={0, 1})
        if done.exit_code == 1:
            raise Findings("the linter found something")
        digest: str | None = inputs.image.digest
        job.output(DIGEST=digest or "none")
        if inputs.token is not None:
            job.say(f"{len(inputs.token.reveal())} {inputs.retries + 1} {inputs.verbose and 'loud'}")
        return {"FINDINGS": "0"}


class NothingInputs(PluginInputs):
    """None at all."""


class Nothing(Plugin[NothingInputs]):
    """The least there is."""

    name = "gocdnext-plugin-nothing"
    inputs = NothingInputs

    def run(self, inputs: NothingInputs, job: Job) -> dict[str, str]:
        return {}


if __name__ == "__main__":
    Linter.main()
