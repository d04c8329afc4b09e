"""Marks at services, against small servers of Harbor's and Artifactory's documented protocols.

They are no Harbor and no Artifactory: they take the requests that those document, answer as those document,
and refuse everything else.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.servers import Answer, answering

from gocdnext_sdk import Credential, Error, HttpError, Job, Reference, Registry, Secret
from gocdnext_sdk.host.manifest.load import load_plugin
from gocdnext_sdk.runtime.masking import Masker
from gocdnext_sdk.runtime.outputs import OutputFile
from gocdnext_sdk.runtime.secret_files import SecretFiles
from gocdnext_sdk.runtime.signals import Signals

FOLDER = Path(__file__).parents[3] / "plugins" / "docker-push"
PACKAGE = load_plugin(FOLDER).__module__.rpartition(".")[0]
marks, services = (import_module(f"{PACKAGE}.{name}") for name in ("marks", "services"))

PASSWORD = "t0ken-of-anna"
DIGEST = f"sha256:{'1' * 64}"
IMAGE = f"registry.example.com/team/group/app@{DIGEST}"


@dataclass
class Harbor:
    """The project `team` with the repository `group/app`; a label of the project, and one of all."""

    labels: tuple[tuple[int, str, str], ...] = (
        (1, "validated", "g"),
        (2, "validated", "p"),
        (3, "other", "g"),
    )
    on_image: list[int] = field(default_factory=list)
    may_label: bool = True

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Basic {b64encode(f'anna:{PASSWORD}'.encode()).decode()}":
            return 401, {"errors": [{"code": "UNAUTHORIZED"}]}
        split = urlsplit(path)
        query = {key: value[0] for key, value in parse_qs(split.query).items()}
        artifact = f"/api/v2.0/projects/team/repositories/group%252Fapp/artifacts/{DIGEST}"
        match method, split.path:
            case "GET", "/api/v2.0/projects/team":
                return 200, {"project_id": 7, "name": "team"}
            case "GET", "/api/v2.0/labels":
                if query["scope"] == "p" and query.get("project_id") != "7":
                    return 400, {"errors": [{"code": "BAD_REQUEST"}]}
                found = [
                    each for each in self.labels if query["name"] in each[1] and each[2] == query["scope"]
                ]
                return 200, [{"id": number, "name": name, "scope": scope} for number, name, scope in found]
            case "GET", path if path == artifact and query == {"with_label": "true"}:
                names = {number: name for number, name, _ in self.labels}
                return 200, {"digest": DIGEST, "labels": [{"name": names[each]} for each in self.on_image]}
            case "POST", path if path == f"{artifact}/labels":
                if not self.may_label:
                    return 403, {"errors": [{"code": "FORBIDDEN"}]}
                number = int(re.findall(rb"\d+", body)[0])
                if number in self.on_image:
                    return 409, {"errors": [{"code": "CONFLICT"}]}
                self.on_image.append(number)
                return 200, None
        return 404, {"errors": [{"code": "NOT_FOUND"}]}


@dataclass
class Artifactory:
    """The repository `team` with the image `group/app`, at its digest and at a tag."""

    properties: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place in (f"sha256__{'1' * 64}", "v1"):
            path = f"/artifactory/api/storage/team/group/app/{place}/list.manifest.json"
            self.properties[path] = {"docker.manifest.digest": [DIGEST], "docker.repoName": ["group/app"]}
        other = "/artifactory/api/storage/team/group/app/v2/list.manifest.json"
        self.properties[other] = {
            "docker.manifest.digest": [f"sha256:{'2' * 64}"],
            "docker.repoName": ["group/app"],
        }

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Basic {b64encode(f'anna:{PASSWORD}'.encode()).decode()}":
            return 401, {"errors": [{"status": 401}]}
        split = urlsplit(path)
        query = {key: value[0] for key, value in parse_qs(split.query).items()}
        if method == "GET" and split.path == "/artifactory/api/search/prop":
            if query.pop("repos") != "team":
                return 400, {"errors": [{"status": 400}]}
            found = [
                each
                for each, held in self.properties.items()
                if all(held.get(name) == [value] for name, value in query.items())
            ]
            return 200, {"results": [{"uri": f"https://artifactory.internal{each}"} for each in found]}
        held = self.properties.get(split.path)
        if held is None:
            return 404, {"errors": [{"status": 404}]}
        if method == "PUT" and query.get("recursive") == "0":
            name, _, value = query["properties"].partition("=")
            held[name] = [value]
            return 204, None
        wanted = query["properties"]
        if method == "GET" and wanted in held:
            return 200, {"properties": {wanted: held[wanted]}, "uri": split.path}
        return 404, {"errors": [{"status": 404, "message": "No properties could be found."}]}


@pytest.fixture
def place() -> Iterator[Callable[..., Any]]:
    job = Job({}, Path(), Masker(), SecretFiles(), Signals(), OutputFile({}))

    def at(url: str, *, login: bool = True, image: str = IMAGE) -> Any:
        credential = Credential(Registry("registry.example.com"), "anna", Secret(PASSWORD))
        return services.Place(job, url, credential if login else None, Reference.parse(image))

    return at


def mark(text: str) -> Any:
    return marks.parse_mark(1, text, None)


class TestHarbor:
    def test_the_projects_own_label_is_set_once_and_found(self, place: Callable[..., Any]) -> None:
        harbor = Harbor()
        with answering(harbor) as url:
            assert not services.has_mark(mark("harbor:validated"), place(url))
            for _ in range(2):
                services.set_mark(mark("harbor:validated"), place(url))
            assert harbor.on_image == [2]
            assert services.has_mark(mark("harbor:validated"), place(url))
            assert not services.has_mark(mark("harbor:other"), place(url))
            services.set_mark(mark("harbor:other"), place(url))
            assert harbor.on_image == [2, 3]

    def test_an_unknown_label_a_refusal_and_no_login_are_told(self, place: Callable[..., Any]) -> None:
        harbor = Harbor(may_label=False)
        with answering(harbor) as url:
            with pytest.raises(Error, match="has no label valid"):
                services.set_mark(mark("harbor:valid"), place(url))
            with pytest.raises(HttpError, match="403"):
                services.set_mark(mark("harbor:validated"), place(url))
            with pytest.raises(Error, match="needs credentials"):
                services.has_mark(mark("harbor:validated"), place(url, login=False))
        assert harbor.on_image == []


class TestArtifactory:
    def test_the_property_is_set_wherever_the_digest_is_and_nowhere_else(
        self, place: Callable[..., Any]
    ) -> None:
        artifactory = Artifactory()
        wanted = mark("artifactory:validated=true")
        with answering(artifactory) as url:
            assert not services.has_mark(wanted, place(f"{url}/artifactory"))
            services.set_mark(wanted, place(f"{url}/artifactory"))
            assert services.has_mark(wanted, place(f"{url}/artifactory"))
            assert not services.has_mark(mark("artifactory:validated=no"), place(f"{url}/artifactory"))
        assert [each.get("validated") for each in artifactory.properties.values()] == [
            ["true"],
            ["true"],
            None,
        ]

    def test_an_image_that_is_not_there_is_told(self, place: Callable[..., Any]) -> None:
        gone = IMAGE.replace("1" * 64, "3" * 64)
        with answering(Artifactory()) as url, pytest.raises(HttpError, match="finds no"):
            services.set_mark(mark("artifactory:validated=true"), place(f"{url}/artifactory", image=gone))

    def test_a_repository_may_have_a_host_of_its_own(self, place: Callable[..., Any]) -> None:
        artifactory = Artifactory()
        with answering(artifactory) as url:
            image = f"team.example.com/group/app@{DIGEST}"
            services.set_mark(mark("artifactory:validated=true"), place(f"{url}/artifactory", image=image))
        assert sum("validated" in each for each in artifactory.properties.values()) == 2


@pytest.mark.parametrize(
    "text",
    ["attestations", "harbor:", "artifactory:validated", "artifactory:a=b c", "attestation<", "gitlab:x"],
)
def test_what_is_no_mark_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match="item 1 "):
        marks.parse_mark(1, text, None)
