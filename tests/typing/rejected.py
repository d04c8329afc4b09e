"""What authors get wrong, with the code of mypy's error behind each line."""

from __future__ import annotations

from gocdnext_sdk import Input, Job, Lines, Plugin, PluginInputs, Reference, Secret, Toool  # E: attr-defined


class WrongInputs(PluginInputs):
    """Some inputs."""

    image: Reference = Input(description="The image.")
    rules: Lines = Input((), description="One a line.")
    token: Secret | None = Input(None, description="A token.")
    undescribed: str = Input("")  # E: call-arg


class Wrong(Plugin[WrongInputs]):
    """A plugin with every mistake."""

    name = 1  # E: assignment
    inputs = str  # E: assignment

    def run(self, inputs: WrongInputs, job: Job) -> dict[str, str]:
        inputs.image = inputs.image  # E: misc
        job.tool("linter", environ={})  # E: call-arg
        job.tool("linter").run("x", ok=0)  # E: arg-type
        job.output(COUNT=3)  # E: arg-type
        print(Toool, inputs.tokn)  # E: attr-defined
        print(inputs.token.reveal())  # E: union-attr
        first: int = inputs.rules[0]  # E: assignment
        inputs.rules.append("x")  # E: attr-defined
        return {"COUNT": first}  # E: dict-item


class OtherResult(Plugin[WrongInputs]):
    """It returns what is no output."""

    name = "gocdnext-plugin-other"
    inputs = WrongInputs

    def run(self, inputs: WrongInputs, job: Job) -> str:  # E: override
        return "done"


class NoInputs(Plugin[str]):  # E: type-var
    """Its inputs are no model."""
