"""One job: from decoded fields to the model, with every rule of its own checked.

Source: upstream `server/pkg/parser/parse_job.go`, `parse_matrix.go`, `idtokens.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from gocdnext_sdk.contract import ContractError, keys, outputs, scalars, uses
from gocdnext_sdk.host.pipeline import files, gate, syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.deploy import read_deploy
from gocdnext_sdk.host.pipeline.errors import Mark
from gocdnext_sdk.host.pipeline.model import Action, Job, Output, Plugin, Quantities, Script, Value
from gocdnext_sdk.host.pipeline.yaml import Node, ScalarNode

_RESERVED: Final = ("CI_", "GOCDNEXT_")
_MAX_ID_TOKENS: Final = 16
_IGNORED: Final = {"retry": "nothing is retried", "timeout": "no job is stopped"}


def read_plugin(decoder: Decoder, reference: Value, inputs: Mapping[str, Value], where: str) -> Plugin:
    """Read a plugin step.

    Args:
        decoder: takes the problems.
        reference: the `uses:` value.
        inputs: the `with:` map.
        where: whose it is, for messages.
    """
    image = reference.text
    try:
        image = uses.image(reference.text)
    except ContractError as error:
        decoder.error(reference.mark, f"{where}: uses: {error}")
    for names in keys.collisions(inputs):
        decoder.notice(
            inputs[names[-1]].mark,
            f"{where}: {', '.join(names)} all become {keys.variable(names[0])}, "
            "the platform keeps any one of them",
            "keep one",
        )
    return Plugin(image, dict(inputs), reference)


def read_job(decoder: Decoder, name: str, fields: Fields, pipeline_variables: Mapping[str, Value]) -> Job:
    """Read one job.

    Args:
        decoder: takes the problems.
        name: the job's name.
        fields: its decoded keys, `extends:` merged in.
        pipeline_variables: for clashes of names.
    """
    return _Reader(decoder, name, fields, pipeline_variables).job()


class _Reader:
    def __init__(
        self, decoder: Decoder, name: str, fields: Fields, pipeline_variables: Mapping[str, Value]
    ) -> None:
        self._decoder = decoder
        self._name = name
        self._fields = fields
        self._pipeline_variables = pipeline_variables
        self._variables: dict[str, Value] = fields.get("variables", {})
        self._secrets = fields.texts("secrets")

    def job(self) -> Job:
        fields = self._fields
        self._refuse_unenforced()
        self._note_ignored()
        action = self._action()
        parallel: Fields = fields.get("parallel", Fields(fields.mark))
        agent: Fields = fields.get("agent", Fields(fields.mark))
        resources: Fields = fields.get("resources", Fields(fields.mark))
        id_tokens = self._id_tokens()
        matrix = self._matrix(parallel, id_tokens)
        deploy = (
            read_deploy(self._decoder, self._name, fields.values["deploy"])
            if "deploy" in fields.values
            else None
        )
        if action is None and deploy is not None:
            self._error("deploy", "deploy: on a job that runs nothing", "add uses: or script:")
        return Job(
            name=self._name,
            stage=fields.text("stage"),
            mark=fields.mark,
            action=action,
            needs=fields.texts("needs"),
            variables=self._variables,
            secrets=self._secrets,
            docker=fields.get("docker", default=False),
            outputs=self._outputs(),
            matrix=matrix,
            id_tokens=id_tokens,
            cache=tuple(files.read_cache(self._decoder, self._name, fields)),
            artifacts=files.read_artifacts(self._decoder, self._name, fields),
            needs_artifacts=tuple(files.read_needed(self._decoder, self._name, fields)),
            test_reports=fields.texts("test_reports"),
            coverage_report=files.read_coverage_report(self._decoder, self._name, fields),
            tags=fields.texts("tags") + agent.texts("tags"),
            profile=agent.text("profile"),
            requests=_quantities(resources, "requests"),
            limits=_quantities(resources, "limits"),
            cluster=self._cluster(matrix, id_tokens),
            environment=self._environment(action, deploy.environment if deploy else ""),
            deploy=deploy,
            marks=self._marks(),
        )

    def _error(self, key: str, what: str, advice: str = "", mark: Mark | None = None) -> None:
        at = mark or self._fields.at(key)
        self._decoder.error(at, f"job `{self._name}`: {what}", advice)

    def _refuse_unenforced(self) -> None:
        if "approval" in self._fields.values:
            return  # noticed: there, the server does not look at them
        if self._fields.get("rules", cast("list[Fields]", [])):
            self._error("rules", "`rules:` is not enforced", "use the pipeline's when.paths, or approval:")
        if "when" in self._fields.values:
            self._error("when", "`when:` works for the whole pipeline only", "move it to the top level")

    def _note_ignored(self) -> None:
        fields = self._fields
        ignored = {
            key: why
            for key, why in _IGNORED.items()
            if fields.values.get(key) and not (key == "timeout" and "approval" in fields.values)
        }
        if "with" in fields.values and "uses" not in fields.values:
            ignored["with"] = "it belongs to `uses:`"
        if "settings" in fields.values and "uses" in fields.values:
            ignored["settings"] = "`uses:` takes `with:`"
        if "approval" in fields.values:
            gate = "a gate opens by approval only"
            ignored |= {key: gate for key in ("rules", "when") if fields.values.get(key)}
        for key, why in ignored.items():
            self._decoder.notice(
                fields.at(key),
                f"job `{self._name}`: the platform ignores `{key}` here, {why}",
                "remove it",
            )

    def _action(self) -> Action:
        fields = self._fields
        if "approval" in fields.values:
            return gate.read_approval(self._decoder, self._name, fields)
        script, image, reference = fields.texts("script"), fields.text("image"), fields.text("uses")
        if reference:
            for key, present in (("script", bool(script)), ("image", bool(image))):
                if present:
                    self._error(
                        key,
                        f"`uses:` and `{key}:` exclude each other",
                        "a plugin runs its own image and entrypoint; remove one of the two",
                    )
            return read_plugin(
                self._decoder,
                fields.values["uses"],
                fields.get("with", {}),
                f"job `{self._name}`",
            )
        if script:
            return Script(image, script)
        if image and "settings" in fields.values:
            # The older form names the image as it is: no `@v1` is turned into a tag.
            return Plugin(image, fields.values["settings"], fields.values["image"])
        return None

    def _outputs(self) -> dict[str, Output]:
        declared: dict[str, Fields] = self._fields.get("outputs", {})
        if len(declared) > outputs.MAX_DECLARED:
            self._error("outputs", f"{len(declared)} outputs; the limit is {outputs.MAX_DECLARED}")
        for alias, entry in declared.items():
            key = entry.text("env")
            if not outputs.ALIAS.fullmatch(alias):
                self._error(
                    "outputs",
                    f"the output name `{alias}` does not match {outputs.ALIAS.pattern}",
                    "write it like `image-digest`",
                    entry.mark,
                )
            if not outputs.KEY.fullmatch(key):
                self._error(
                    "outputs",
                    f"output `{alias}` names the variable `{key}`, "
                    f"which does not match {outputs.KEY.pattern}",
                    "write it like DIGEST",
                    entry.mark,
                )
        return {
            alias: Output(entry.text("env"), entry.get("masked", default=False))
            for alias, entry in declared.items()
        }

    def _id_tokens(self) -> dict[str, tuple[str, ...]]:
        declared: dict[str, Fields] = self._fields.get("id_tokens", {})
        if len(declared) > _MAX_ID_TOKENS:
            self._error("id_tokens", f"{len(declared)} id_tokens; the limit is {_MAX_ID_TOKENS}")
        taken = self._taken({})
        tokens: dict[str, tuple[str, ...]] = {}
        for name, entry in declared.items():
            where = f"id_token `{name}`"
            if not syntax.VARIABLE.fullmatch(name):
                self._error("id_tokens", f"{where} is not a variable's name", mark=entry.mark)
            if name.upper().startswith(_RESERVED):
                self._error("id_tokens", f"{where} has a reserved prefix", mark=entry.mark)
            if name in taken:
                self._error("id_tokens", f"{where} is also {taken[name]}", "rename one", entry.mark)
            audiences = tuple(text.strip() for text in entry.texts("aud"))
            if not audiences or not all(audiences):
                self._error(
                    "id_tokens",
                    f"{where} has no `aud`, or a blank one",
                    "name the audience the receiver expects, as in {aud: sigstore}",
                    entry.mark,
                )
            tokens[name] = audiences
        return tokens

    def _taken(self, id_tokens: Mapping[str, Any]) -> dict[str, str]:
        return (
            dict.fromkeys(self._pipeline_variables, "a pipeline variable")
            | dict.fromkeys(self._variables, "a job variable")
            | dict.fromkeys(self._secrets, "a secret")
            | dict.fromkeys(id_tokens, "an id_token")
        )

    def _matrix(self, parallel: Fields, id_tokens: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        entries: list[dict[str, list[Value]]] = parallel.get("matrix", [])
        if parallel.get("count", 0):
            self._decoder.notice(
                parallel.at("count"),
                f"job `{self._name}`: the platform ignores parallel.count",
                "remove it",
            )
        mark = parallel.at("matrix")
        if not all(entries):
            self._error("parallel", "parallel.matrix has an empty entry", "remove it", mark)
        matrix: dict[str, tuple[str, ...]] = {}
        for entry in entries:
            for name, values in entry.items():
                matrix[name] = matrix.get(name, ()) + tuple(value.text for value in values)
        taken = self._taken(id_tokens)
        for name, found in matrix.items():
            where = f"matrix dimension `{name}`"
            if not found:
                self._error("parallel", f"{where} has no values", "add one or remove it", mark)
            if len(set(found)) < len(found):
                self._error("parallel", f"{where} has a value twice", "remove one", mark)
            if not syntax.VARIABLE.fullmatch(name):
                self._error("parallel", f"{where} is not a variable's name", mark=mark)
            if name.startswith(_RESERVED):
                self._error("parallel", f"{where} has a reserved prefix", mark=mark)
            if name in taken:
                self._error("parallel", f"{where} is also {taken[name]}", "rename one", mark)
            if odd := [value for value in found if "," in value or "=" in value]:
                self._error("parallel", f"{where}: {odd[0]!r} has a `,` or `=` in it", mark=mark)
        return matrix

    def _marks(self) -> dict[str, Mark]:
        secrets: list[Value] = self._fields.get("secrets", [])
        outputs: dict[str, Fields] = self._fields.get("outputs", {})
        script: list[Value] = self._fields.get("script", [])
        return (
            self._fields.marks
            | {f"script.{number}": line.mark for number, line in enumerate(script)}
            | {f"secrets.{name.text}": name.mark for name in secrets}
            | {f"outputs.{alias}": entry.mark for alias, entry in outputs.items()}
        )

    def _cluster(self, matrix: Mapping[str, Any], id_tokens: Mapping[str, Any]) -> str:
        cluster = self._fields.text("cluster")
        if not cluster:
            return ""
        if not syntax.CLUSTER.fullmatch(cluster):
            self._error("cluster", f"`{cluster}` is not a cluster's name")
        inputs: dict[str, Value] = self._fields.get("with", {})
        clash = {
            "with.kubeconfig": bool(inputs.get("kubeconfig", Value("", self._fields.mark)).text),
            f"variables.{keys.KUBECONFIG}": keys.KUBECONFIG in self._variables,
            f"the secret {keys.KUBECONFIG}": keys.KUBECONFIG in self._secrets,
            f"id_tokens.{keys.KUBECONFIG}": keys.KUBECONFIG in id_tokens,
            f"the matrix dimension {keys.KUBECONFIG}": keys.KUBECONFIG in matrix,
        }
        for what, present in clash.items():
            if present:
                self._error("cluster", f"`cluster:` sets {keys.KUBECONFIG}", f"remove {what}")
        return cluster

    def _environment(self, action: Action, deployed_to: str) -> str:
        if "environment" not in self._fields.marks:
            return ""
        node: Node | None = self._fields.values.get("environment")
        mark = self._fields.at("environment")
        if node is not None and not (isinstance(node, ScalarNode) and scalars.is_string(node.scalar)):
            self._error("environment", "`environment` must be a text", "quote it", node.mark)
            return ""
        name = node.scalar.text.strip() if isinstance(node, ScalarNode) else ""
        if not name:
            self._error("environment", "`environment` is empty", "name one or remove the key")
        elif not syntax.ENVIRONMENT.fullmatch(name):
            self._error("environment", f"`{name}` is not an environment's name", mark=mark)
        elif deployed_to and deployed_to != name:
            self._error(
                "environment",
                f"`environment` is {name}, deploy.environment is {deployed_to}",
                "keep one, or make them equal",
            )
        if action is None:
            self._error("environment", "environment: on a job that runs nothing", "add uses: or script:")
        return name


def _quantities(resources: Fields, key: str) -> Quantities:
    entry: Fields = resources.get(key, Fields(resources.mark))
    return Quantities(entry.text("cpu"), entry.text("memory"))
