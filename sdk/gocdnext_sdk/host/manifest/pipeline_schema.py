"""The JSON Schema of a whole pipeline file, for editors.

Its keys are those of `gocdnext_sdk.host.pipeline.schema`, which the parser decodes by; `with:` is checked
against the plugin that `uses:` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gocdnext_sdk.contract.uses import PREFIX
from gocdnext_sdk.host.manifest import key_texts
from gocdnext_sdk.host.manifest.model import Manifest
from gocdnext_sdk.host.manifest.schema import Schema, with_schema
from gocdnext_sdk.host.pipeline import schema as tables
from gocdnext_sdk.host.pipeline.decode import Decoder, Read
from gocdnext_sdk.host.pipeline.schema import ListOf, MapOf, Struct

_TEXT: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_WORDS: Final = [word for pair in ("yes no", "on off", "y n") for word in pair.split()]

_SCALARS: Final[Mapping[Read, Schema]] = {
    Decoder.text: _TEXT,
    Decoder.literal: _TEXT,
    # yaml.v3 takes the words of YAML 1.1 where a boolean is asked for, and no other text.
    Decoder.flag: {"enum": [True, False, None, *_WORDS, *map(str.title, _WORDS), *map(str.upper, _WORDS)]},
    Decoder.integer: {"type": ["number", "null"]},
    Decoder.number: {"type": ["number", "null"]},
    Decoder.texts: {"type": ["array", "null"], "items": _TEXT},
    Decoder.text_map: {"type": ["object", "null"], "additionalProperties": _TEXT},
    tables.output: {"anyOf": [_TEXT, {"$ref": "#/$defs/output"}]},
    tables.audience: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    tables.dimensions: {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "additionalProperties": {"type": ["array", "null"], "items": _TEXT},
        },
    },
    tables.environment: {"type": ["string", "null"]},
    tables.jobs: {
        "type": ["object", "null"],
        "patternProperties": {r"^\.": {"$ref": "#/$defs/template"}},
        "additionalProperties": {"$ref": "#/$defs/job"},
    },
}


def pipeline_schema(manifests: Iterable[Manifest]) -> Schema:
    """Return the schema.

    Args:
        manifests: the plugins whose `with:` is checked; that of others may hold any texts.
    """
    known = tuple(manifests)
    inputs = [
        _if_plugin(_image_names(each, known), {"properties": {"with": {"$ref": _ref("with", each)}}})
        for each in known
    ]
    # A template, and a job that extends one, need not have all a plugin needs.
    complete = [_if_plugin(_image_names(each, known), _complete(each)) for each in known]
    job = _struct(tables.JOB, key_texts.JOB)
    extends = {"required": ["extends"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A gocdnext pipeline",
        **_struct(tables.FILE, key_texts.FILE),
        "$defs": {
            "template": job | {"allOf": inputs},
            "job": {"$ref": "#/$defs/template", "if": {"not": extends}, "then": {"allOf": complete}},
            "notification": _struct(tables.NOTIFICATION, key_texts.NOTIFICATION)
            | {"allOf": inputs + complete},
            "output": _struct(tables.OUTPUT, key_texts.OUTPUT),
            "with": {each.name: _inputs(each) for each in known},
            "rules": {each.name: _rules(each) for each in known},
        },
    }


def _schema(read: Read) -> Schema:
    match read:
        case Struct(known=tables.NOTIFICATION):
            return {"$ref": "#/$defs/notification"}
        case Struct(known=known, where=where):
            return _struct(known, key_texts.INNER[where])
        case ListOf(read=item):
            return {"type": ["array", "null"], "items": _schema(item)}
        case MapOf(read=item):
            return {"type": ["object", "null"], "additionalProperties": _schema(item)}
        case _:
            return _SCALARS[read]


def _struct(known: Mapping[str, Read], texts: Mapping[str, str]) -> Schema:
    properties = {key: {**_schema(read), "description": texts[key]} for key, read in known.items()}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _if_plugin(names: Iterable[str], then: Schema) -> Schema:
    """Return a schema that holds for jobs whose image is called one of `names`."""
    # Not re.escape: ECMA-262 with the flag u, by which schemas are read, knows no `\-` outside of a class.
    last = "|".join(re.sub(r"[.^$*+?()\[\]{}|\\/]", r"\\\g<0>", name) for name in names)
    uses = {"type": "string", "pattern": rf"^\s*([^@]*/)?({last})(:[^/@]*)?(@.*)?$"}
    return {"if": {"properties": {"uses": uses}, "required": ["uses"]}, "then": then}


def _image_names(manifest: Manifest, known: Iterable[Manifest]) -> list[str]:
    """Return what images of a plugin are called, by the rule of `Catalog.find`."""
    taken = {each.name for each in known}
    return [manifest.name, *({PREFIX + manifest.name} - taken)]


def _inputs(manifest: Manifest) -> Schema:
    schema = with_schema(manifest)
    kept = ("description", "properties", "additionalProperties")
    return {"type": ["object", "null"], **{key: schema[key] for key in kept}}


def _rules(manifest: Manifest) -> Schema:
    schema = with_schema(manifest)
    return {key: schema[key] for key in ("required", "allOf") if schema.get(key)}


def _complete(manifest: Manifest) -> Schema:
    needed = {"required": ["with"]} if with_schema(manifest)["required"] else {}
    return needed | {"properties": {"with": {"$ref": _ref("rules", manifest)}}}


def _ref(kind: str, manifest: Manifest) -> str:
    return f"#/$defs/{kind}/{manifest.name}"
