"""The keys a pipeline file may have, level by level, and how each is decoded.

The tables follow upstream `server/pkg/parser/schema.go`: what is not listed is refused there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gocdnext_sdk.host.pipeline.decode import Decoder, Fields, Read
from gocdnext_sdk.host.pipeline.model import Value
from gocdnext_sdk.host.pipeline.yaml import MappingNode, Node, ScalarNode, SequenceNode, is_null


@dataclass(frozen=True)
class Struct:
    """A map with known keys."""

    known: Mapping[str, Read]
    where: str
    """Its name in messages."""
    merges: bool = True
    """Whether the server merges other maps in."""

    def __call__(self, decoder: Decoder, node: Node) -> Fields:
        """Decode it."""
        return decoder.fields(node, self.known, self.where, merges=self.merges)


@dataclass(frozen=True)
class ListOf:
    """A list."""

    read: Read

    def __call__(self, decoder: Decoder, node: Node) -> list[Any]:
        """Decode it."""
        return decoder.list_of(node, lambda item: self.read(decoder, item))


@dataclass(frozen=True)
class MapOf:
    """A map with free keys."""

    read: Read

    def __call__(self, decoder: Decoder, node: Node) -> dict[str, Any]:
        """Decode it."""
        return decoder.map_of(node, lambda item: self.read(decoder, item))


OUTPUT: Final[Mapping[str, Read]] = {"env": Decoder.text, "masked": Decoder.flag}


def output(decoder: Decoder, node: Node) -> Fields:
    """Decode an output; `alias: KEY` is short for `alias: {env: KEY}`."""
    if isinstance(node, ScalarNode):
        return Fields(node.mark, {"env": decoder.text(node)}, {"env": node.mark})
    return decoder.fields(node, OUTPUT, "an output", merges=False)


def audience(decoder: Decoder, node: Node) -> list[Value]:
    """Decode a text or a list of them."""
    return [decoder.literal(node)] if isinstance(node, ScalarNode) else decoder.texts(node)


def environment(_: Decoder, node: Node) -> Node:
    """Keep a text as it stands: numbers and the like are refused later."""
    return node


def dimensions(decoder: Decoder, node: Node) -> list[dict[str, list[Value]]]:
    """Decode a matrix; of a list of maps, the server keeps null entries, as empty maps."""
    if isinstance(node, SequenceNode):
        node = replace(node, items=tuple(MappingNode(i.mark, ()) if is_null(i) else i for i in node.items))
    return decoder.list_of(node, lambda entry: decoder.map_of(entry, decoder.texts))


WHEN: Final[Mapping[str, Read]] = {
    "status": Decoder.texts,
    "branch": Decoder.texts,
    "event": Decoder.texts,
    "paths": Decoder.texts,
}

_TOLERATION: Final[Mapping[str, Read]] = {
    "key": Decoder.text,
    "operator": Decoder.text,
    "value": Decoder.text,
    "effect": Decoder.text,
    "toleration_seconds": Decoder.integer,
}

_SERVICE: Final[Mapping[str, Read]] = {
    "name": Decoder.text,
    "image": Decoder.text,
    "env": Decoder.text_map,
    "command": Decoder.texts,
    "node_selector": Decoder.text_map,
    "tolerations": ListOf(Struct(_TOLERATION, "a toleration")),
}

NOTIFICATION: Final[Mapping[str, Read]] = {
    "on": Decoder.text,
    "uses": Decoder.text,
    "with": Decoder.text_map,
    "secrets": Decoder.texts,
}

_GIT: Final[Mapping[str, Read]] = {
    "url": Decoder.text,
    "branch": Decoder.text,
    "on": Decoder.texts,
    "auto_register_webhook": Decoder.flag,
    "secret_ref": Decoder.text,
    "poll_interval": Decoder.text,
}

_MATERIAL: Final[Mapping[str, Read]] = {
    "git": Struct(_GIT, "a git material"),
    "upstream": Struct(
        {"pipeline": Decoder.text, "stage": Decoder.text, "status": Decoder.text},
        "an upstream material",
    ),
    "cron": Struct({"expression": Decoder.text}, "a cron material"),
    "manual": Decoder.flag,
}

_DEPLOY: Final[Mapping[str, Read]] = {
    "environment": Decoder.literal,
    "version": Decoder.literal,
    "revision": Decoder.literal,
    "target": Struct(
        {
            "cluster": Decoder.literal,
            "application": Decoder.literal,
            "namespace": Decoder.literal,
            "sync_mode": Decoder.literal,
        },
        "deploy.target",
        merges=False,
    ),
}

_QUANTITIES: Final[Mapping[str, Read]] = {"cpu": Decoder.text, "memory": Decoder.text}

_RULE: Final[Mapping[str, Read]] = {
    "if": Decoder.text,
    "changes": Decoder.texts,
    "exists": Decoder.texts,
    "when": Decoder.text,
}

JOB: Final[Mapping[str, Read]] = {
    "stage": Decoder.text,
    "uses": Decoder.text,
    "with": Decoder.text_map,
    "image": Decoder.text,
    "script": Decoder.texts,
    "settings": Decoder.text_map,
    "needs": Decoder.texts,
    "variables": Decoder.text_map,
    "secrets": Decoder.texts,
    "docker": Decoder.flag,
    "outputs": MapOf(output),
    "extends": Decoder.text,
    "parallel": Struct({"matrix": dimensions, "count": Decoder.integer}, "parallel"),
    "artifacts": Struct(
        {
            "paths": Decoder.texts,
            "optional": Decoder.texts,
            "expire_in": Decoder.text,
            "when": Decoder.text,
        },
        "artifacts",
    ),
    "needs_artifacts": ListOf(
        Struct(
            {
                "from_job": Decoder.text,
                "from_pipeline": Decoder.text,
                "paths": Decoder.texts,
                "dest": Decoder.text,
            },
            "needs_artifacts",
        )
    ),
    "cache": ListOf(Struct({"key": Decoder.text, "paths": Decoder.texts}, "cache")),
    "test_reports": Decoder.texts,
    "coverage_report": Struct(
        {"path": Decoder.text, "format": Decoder.text, "fail_under": Decoder.number},
        "coverage_report",
    ),
    "id_tokens": MapOf(Struct({"aud": audience}, "an id_token", merges=False)),
    "approval": Struct(
        {
            "approvers": Decoder.texts,
            "approver_groups": Decoder.texts,
            "required": Decoder.integer,
            "quorum_by_label": MapOf(Decoder.integer),
            "description": Decoder.text,
        },
        "approval",
    ),
    "timeout": Decoder.text,
    "retry": Decoder.integer,
    "tags": Decoder.texts,
    "agent": Struct({"profile": Decoder.text, "tags": Decoder.texts}, "agent"),
    "resources": Struct(
        {
            "requests": Struct(_QUANTITIES, "resources.requests"),
            "limits": Struct(_QUANTITIES, "resources.limits"),
        },
        "resources",
    ),
    "cluster": Decoder.text,
    "environment": environment,
    "deploy": Struct(_DEPLOY, "deploy", merges=False),
    "rules": ListOf(Struct(_RULE, "a rule")),
    "when": Struct(WHEN, "when"),
}


def jobs(decoder: Decoder, node: Node) -> dict[str, Fields]:
    """Decode the jobs by name."""
    found: dict[str, Fields] = {}
    for name, body in decoder.keys(node):
        if isinstance(body, MappingNode):
            found[name.text] = decoder.fields(body, JOB, f"job `{name.text}`")
            found[name.text].mark = name.mark
        elif is_null(body):
            found[name.text] = Fields(name.mark)
        else:
            decoder.error(body.mark, f"job `{name.text}` must be a map", "write `stage:` and so on")
    return found


FILE: Final[Mapping[str, Read]] = {
    "version": Decoder.text,
    "name": Decoder.text,
    "when": Struct(WHEN, "when"),
    "stages": Decoder.texts,
    "variables": Decoder.text_map,
    "services": ListOf(Struct(_SERVICE, "a service")),
    "jobs": jobs,
    "notifications": ListOf(Struct(NOTIFICATION, "a notification")),
    "materials": ListOf(Struct(_MATERIAL, "a material")),
    "concurrency": Decoder.text,
    "supersede": Decoder.text,
    "include": ListOf(
        Struct({"local": Decoder.text, "remote": Decoder.text, "template": Decoder.text}, "include")
    ),
    "template": Decoder.text,
}
