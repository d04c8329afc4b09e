"""Marks that the service keeps which runs the registry: labels of Harbor, properties of Artifactory.

Source: Harbor API v2.0 (`addLabel`, `listLabels`, `getArtifact`); Artifactory REST API ("Property Search",
"Set Item Properties", "Item Properties"; `docker.manifest.digest` and `docker.repoName` are its own).
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from gocdnext_sdk import HttpError, InputMismatch

from .harbor import API, artifact
from .marks import ImageMark
from .places import Place


def set_mark(mark: ImageMark, place: Place) -> None:
    """Set a label or a property; one that is there already is success.

    Raises:
        InputMismatch: there is no such label.
        HttpError: the service does not know the image, or refused.
    """
    {"harbor": _label, "artifactory": _set_property}[mark.kind](mark, place)


def check_mark(mark: ImageMark, place: Place) -> None:
    """Check that a mark can be set, as far as a service can be asked without an image.

    Raises:
        InputMismatch: there is no such label.
        HttpError: the service cannot say.
    """
    if mark.kind == "harbor":
        _number(mark, place)


def has_mark(mark: ImageMark, place: Place) -> bool:
    """Tell whether an image has a label or a property.

    Raises:
        HttpError: the service cannot say.
    """
    return {"harbor": _is_labelled, "artifactory": _has_property}[mark.kind](mark, place)


def _label(mark: ImageMark, place: Place) -> None:
    number = _number(mark, place)
    place.ask("POST", f"{artifact(place.image)}/labels", json={"id": number}, ok=(200, 201, 409))


def _number(mark: ImageMark, place: Place) -> int:
    number = next(_labels(mark, place), None)
    if number is None:
        what = f"{place.url} has no label {mark.name}"
        raise InputMismatch("mark", what, "create it in the project, or as a global one")
    return number


def _labels(mark: ImageMark, place: Place) -> Iterator[int]:
    """Yield the numbers of the labels of that name, the project's own first."""
    project = place.image.repository.partition("/")[0]
    known = place.ask("GET", f"{API}/projects/{project}", assumed={"project_id": 1}).json()
    for scope in ({"scope": "p", "project_id": known["project_id"]}, {"scope": "g"}):
        query = urlencode({"name": mark.name, "page_size": 100, **scope})
        found = place.ask("GET", f"{API}/labels?{query}", assumed=[{"id": 1, "name": mark.name}]).json()
        yield from (each["id"] for each in found if each["name"] == mark.name)


def _is_labelled(mark: ImageMark, place: Place) -> bool:
    path = f"{artifact(place.image)}?with_label=true"
    known = place.ask("GET", path, assumed={"labels": [{"name": mark.name}]}).json()
    return any(each["name"] == mark.name for each in known.get("labels") or ())


def _items(place: Place) -> list[str]:
    """Return the paths of the API at which Artifactory has the image's manifest: of its digest, of each tag.

    A repository is the first part of the path, or, where each has a host of its own, of the host.
    """
    first, _, rest = place.image.repository.partition("/")
    keys = {first: rest, place.image.registry.host.partition(".")[0]: place.image.repository}
    found = []
    for key, name in keys.items():
        query = {"docker.manifest.digest": place.image.digest, "docker.repoName": name, "repos": key}
        assumed = {"results": [{"uri": f"/api/storage/{key}/{name}/manifest.json"}]}
        answer = place.ask("GET", f"/api/search/prop?{urlencode(query)}", ok=(200, 400, 404), assumed=assumed)
        listed = answer.json().get("results", ()) if answer.status == 200 else ()
        paths = (urlsplit(each["uri"]).path.partition("/api/storage/")[2] for each in listed)
        found += [f"/api/storage/{path}" for path in paths]
    return found


def _set_property(mark: ImageMark, place: Place) -> None:
    items = _items(place)
    if not items:
        raise HttpError(f"{place.url} finds no {place.image}", "is it the address of the API?")
    for item in items:
        place.ask("PUT", f"{item}?properties={mark.name}={mark.value}&recursive=0")


def _has_property(mark: ImageMark, place: Place) -> bool:
    assumed = {"properties": {mark.name: [mark.value]}}
    for item in _items(place):
        answer = place.ask("GET", f"{item}?properties={mark.name}", ok=(200, 404), assumed=assumed)
        if answer.status == 200 and mark.value in answer.json().get("properties", {}).get(mark.name, ()):
            return True
    return False
