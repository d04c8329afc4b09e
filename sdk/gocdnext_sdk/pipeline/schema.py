"""The keys a pipeline file may have, level by level, and how each is decoded.

The tables follow upstream `server/pkg/parser/schema.go`: what is not listed is refused there too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gocdnext_sdk.pipeline.decode import Decoder, Fields, Read
from gocdnext_sdk.pipeline.model import Value
from gocdnext_sdk.pipeline.yaml import MappingNode, Node, ScalarNode, is_null


def _struct(known: Mapping[str, Read], where: str) -> Read:
    return lambda decoder, node: decoder.fields(node, known, where)


def _list(read: Read) -> Read:
    return lambda decoder, node: decoder.list_of(node, lambda item: read(decoder, item))


def _map(read: Read) -> Read:
    return lambda decoder, node: decoder.map_of(node, lambda item: read(decoder, item))


def _output(decoder: Decoder, node: Node) -> Fields:
    # `alias: KEY` is short for `alias: {env: KEY}`.
    if isinstance(node, ScalarNode):
        return Fields(node.mark, {"env": decoder.text(node)}, {"env": node.mark})
    return decoder.fields(node, {"env": Decoder.text, "masked": Decoder.flag}, "an output")


def _audience(decoder: Decoder, node: Node) -> list[Value]:
    return [decoder.text(node)] if isinstance(node, ScalarNode) else decoder.texts(node)


def _node(_: Decoder, node: Node) -> Node:
    return node


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
    "tolerations": _list(_struct(_TOLERATION, "a toleration")),
}

_NOTIFICATION: Final[Mapping[str, Read]] = {
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
    "git": _struct(_GIT, "a git material"),
    "upstream": _struct(
        {"pipeline": Decoder.text, "stage": Decoder.text, "status": Decoder.text},
        "an upstream material",
    ),
    "cron": _struct({"expression": Decoder.text}, "a cron material"),
    "manual": Decoder.flag,
}

_DEPLOY: Final[Mapping[str, Read]] = {
    "environment": Decoder.text,
    "version": Decoder.text,
    "revision": Decoder.text,
    "target": _struct(
        {
            "cluster": Decoder.text,
            "application": Decoder.text,
            "namespace": Decoder.text,
            "sync_mode": Decoder.text,
        },
        "deploy.target",
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
    "outputs": _map(_output),
    "extends": Decoder.text,
    "parallel": _struct({"matrix": _list(_map(Decoder.texts)), "count": Decoder.integer}, "parallel"),
    "artifacts": _struct(
        {
            "paths": Decoder.texts,
            "optional": Decoder.texts,
            "expire_in": Decoder.text,
            "when": Decoder.text,
        },
        "artifacts",
    ),
    "needs_artifacts": _list(
        _struct(
            {
                "from_job": Decoder.text,
                "from_pipeline": Decoder.text,
                "paths": Decoder.texts,
                "dest": Decoder.text,
            },
            "needs_artifacts",
        )
    ),
    "cache": _list(_struct({"key": Decoder.text, "paths": Decoder.texts}, "cache")),
    "test_reports": Decoder.texts,
    "coverage_report": _struct(
        {"path": Decoder.text, "format": Decoder.text, "fail_under": Decoder.number},
        "coverage_report",
    ),
    "id_tokens": _map(_struct({"aud": _audience}, "an id_token")),
    "approval": _struct(
        {
            "approvers": Decoder.texts,
            "approver_groups": Decoder.texts,
            "required": Decoder.integer,
            "quorum_by_label": _map(Decoder.integer),
            "description": Decoder.text,
        },
        "approval",
    ),
    "timeout": Decoder.text,
    "retry": Decoder.integer,
    "tags": Decoder.texts,
    "agent": _struct({"profile": Decoder.text, "tags": Decoder.texts}, "agent"),
    "resources": _struct(
        {
            "requests": _struct(_QUANTITIES, "resources.requests"),
            "limits": _struct(_QUANTITIES, "resources.limits"),
        },
        "resources",
    ),
    "cluster": Decoder.text,
    "environment": _node,
    "deploy": _struct(_DEPLOY, "deploy"),
    "rules": _list(_struct(_RULE, "a rule")),
    "when": _struct(WHEN, "when"),
}


def _jobs(decoder: Decoder, node: Node) -> dict[str, Fields]:
    jobs: dict[str, Fields] = {}
    for name, body in decoder.keys(node):
        if isinstance(body, MappingNode):
            jobs[name.text] = decoder.fields(body, JOB, f"job `{name.text}`")
            jobs[name.text].mark = name.mark
        elif is_null(body):
            jobs[name.text] = Fields(name.mark)
        else:
            decoder.error(body.mark, f"job `{name.text}` must be a map", "write `stage:` and so on")
    return jobs


FILE: Final[Mapping[str, Read]] = {
    "version": Decoder.text,
    "name": Decoder.text,
    "when": _struct(WHEN, "when"),
    "stages": Decoder.texts,
    "variables": Decoder.text_map,
    "services": _list(_struct(_SERVICE, "a service")),
    "jobs": _jobs,
    "notifications": _list(_struct(_NOTIFICATION, "a notification")),
    "materials": _list(_struct(_MATERIAL, "a material")),
    "concurrency": Decoder.text,
    "supersede": Decoder.text,
    "include": _list(
        _struct({"local": Decoder.text, "remote": Decoder.text, "template": Decoder.text}, "include")
    ),
    "template": Decoder.text,
}
