"""Services, with the checks Kubernetes would make. Source: upstream `parse_helpers.go`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from gocdnext_sdk.contract import uses
from gocdnext_sdk.host.pipeline import syntax
from gocdnext_sdk.host.pipeline.decode import Decoder, Fields
from gocdnext_sdk.host.pipeline.model import Service, Toleration, Value

_MAX_SCHEDULING: Final = 20
_OPERATORS: Final = ("Equal", "Exists")
_EFFECTS: Final = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")


def read_services(decoder: Decoder, entries: Iterable[Fields]) -> Iterator[Service]:
    """Read the pipeline's services.

    Args:
        decoder: takes the problems.
        entries: the decoded `services:` list.
    """
    names: set[str] = set()
    for entry in entries:
        image = entry.text("image")
        if not image.strip():
            decoder.error(entry.mark, "a service needs `image:`")
            continue
        # `registry.local/foo/postgres:16` is reached as `postgres`.
        name = entry.text("name").strip() or uses.catalog_name(image).strip()
        if not name:
            decoder.error(entry.mark, f"no name can be made of the image `{image}`", "add `name:`")
        elif name in names:
            decoder.notice(
                entry.mark,
                f"two services are called `{name}`, jobs reach any one of them",
                "add a `name:` to one",
            )
        names.add(name)
        selector = _texts(entry.get("node_selector", cast("dict[str, Value]", {})))
        _check_selector(decoder, name, entry, selector)
        yield Service(
            name=name,
            image=image,
            mark=entry.mark,
            env=_texts(entry.get("env", cast("dict[str, Value]", {}))),
            command=entry.texts("command"),
            node_selector=selector,
            tolerations=tuple(_tolerations(decoder, name, entry)),
        )


def _texts(values: Mapping[str, Value]) -> dict[str, str]:
    return {key: value.text for key, value in values.items()}


def _check_selector(decoder: Decoder, name: str, entry: Fields, selector: Mapping[str, str]) -> None:
    mark = entry.at("node_selector")
    if len(selector) > _MAX_SCHEDULING:
        decoder.error(mark, f"service `{name}`: more than {_MAX_SCHEDULING} in node_selector")
    for key, value in selector.items():
        for what, wrong in ((key, syntax.qualified_name(key)), (value, syntax.label_value(value))):
            if wrong:
                decoder.error(mark, f"service `{name}`: node_selector: `{what}` {wrong}")


def _tolerations(decoder: Decoder, name: str, entry: Fields) -> Iterator[Toleration]:
    found: list[Fields] = entry.get("tolerations", [])
    if len(found) > _MAX_SCHEDULING:
        decoder.error(entry.at("tolerations"), f"service `{name}`: more than {_MAX_SCHEDULING} tolerations")
    for fields in found:
        toleration = Toleration(
            key=fields.text("key"),
            operator=fields.text("operator") or "Equal",
            value=fields.text("value"),
            effect=fields.text("effect"),
            seconds=fields.values.get("toleration_seconds"),
        )
        for wrong in _wrong(toleration):
            decoder.error(fields.mark, f"service `{name}`: toleration: {wrong}")
        yield toleration


def _wrong(toleration: Toleration) -> Iterator[str]:
    t = toleration
    if t.operator not in _OPERATORS:
        yield f"operator is `{t.operator}`; use Equal or Exists"
    if t.effect not in _EFFECTS:
        yield f"effect is `{t.effect}`; use one of {', '.join(filter(None, _EFFECTS))}"
    if t.operator == "Exists" and t.value:
        yield "operator Exists takes no value"
    if not t.key and t.operator != "Exists":
        yield "a key is missing; only operator Exists goes without"
    if t.key and (wrong := syntax.qualified_name(t.key)):
        yield f"key `{t.key}` {wrong}"
    if t.operator == "Equal" and (wrong := syntax.label_value(t.value)):
        yield f"value `{t.value}` {wrong}"
    if t.seconds is not None and (t.seconds < 0 or t.effect != "NoExecute"):
        yield "toleration_seconds must be 0 or more, and goes with effect NoExecute only"
