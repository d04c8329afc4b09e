"""The tags of a repository, page by page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry, refuse, respond
from gocdnext_sdk.oci.client import RegistryClient
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.oci.tags import has_tags, list_tags
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.secret import Secret

IMAGE = Reference.parse("registry.example.com/org/app")


def test_every_page_is_read() -> None:
    def page(request: Request) -> Response:
        last = request.url.partition("last=")[2]
        tags = {"": ["a", "b"], "b": ["b", "c"]}[last]
        link = {} if last else {"Link": '</v2/org/app/tags/list?last=b>; rel="next"'}
        return respond(200, json.dumps({"name": "org/app", "tags": tags}), link)

    client = RegistryClient(transport=FakeNetwork({"registry.example.com": page}))
    assert list_tags(client, IMAGE) == ("a", "b", "c")


def test_a_list_without_end_is_an_error() -> None:
    def again(request: Request) -> Response:
        return respond(200, b'{"tags": ["a"]}', {"Link": '</v2/org/app/tags/list>; rel="next"'})

    client = RegistryClient(transport=FakeNetwork({"registry.example.com": again}))
    with pytest.raises(RegistryError, match="pages"):
        list_tags(client, IMAGE)


@pytest.mark.parametrize(
    "link",
    [
        "</v2/org/app/tags/list?last=b>; rel=next",
        "<?last=b>; rel=next",
        '</v2/org/app/tags/list?last=b>; title="a, b"; rel="prev NEXT"',
    ],
)
def test_the_next_page_is_found_however_it_is_written(link: str) -> None:
    def page(request: Request) -> Response:
        body = json.dumps({"tags": ["b" if "last=" in request.url else "a"]})
        return respond(200, body, {} if "last=" in request.url else {"Link": link})

    client = RegistryClient(transport=FakeNetwork({"registry.example.com": page}))
    assert list_tags(client, IMAGE) == ("a", "b")


@pytest.mark.parametrize(
    "link", ["<http://[>; rel=next", "<https://registry.example.com:x/>; rel=next", "</x>; rel=next, oops"]
)
def test_a_link_that_is_none_is_an_error(link: str) -> None:
    network = FakeNetwork({"registry.example.com": lambda _: respond(200, b'{"tags": []}', {"Link": link})})
    with pytest.raises(RegistryError, match=r"registry.example.com/org/app: .* invalid list of tags"):
        list_tags(RegistryClient(transport=network), IMAGE)


def test_another_host_gets_no_login() -> None:
    answer = respond(200, b'{"tags": []}', {"Link": "<https://other.example/v2/>; rel=next"})
    network = FakeNetwork({"registry.example.com": lambda _: answer})
    with pytest.raises(RegistryError, match=r"goes on at other.example"):
        list_tags(RegistryClient(transport=network), IMAGE)


def test_no_tags_may_be_null() -> None:
    network = FakeNetwork(
        {"registry.example.com": lambda _: respond(200, b'{"name": "org/app", "tags": null}')}
    )
    assert list_tags(RegistryClient(transport=network), IMAGE) == ()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b'{"tags": 7}', b'{"tags": "abc"}', b'{"tags": {"x": 1}}', b'{"tags": [1, null]}'),
        *(b'{"tags": ["../x"]}', b'{"tags": [""]}', b'{"Tags": ["x"]}', b'{"tags": ["x"], "tags": []}'),
        *(b'{"tags": 0}', b'{"tags": ""}', b'{"tags": {}}'),
    ],
)
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    network = FakeNetwork({"registry.example.com": lambda request: respond(200, body)})
    with pytest.raises(RegistryError):
        list_tags(RegistryClient(transport=network), IMAGE)


@pytest.mark.parametrize(
    ("answer", "tagged"),
    [
        (respond(200, b'{"tags": ["a"]}'), True),
        (respond(200, b'{"tags": null}'), False),
        (respond(200, b'{"tags": []}', {"Link": '</v2/org/app/tags/list?last=b>; rel="next"'}), True),
        (refuse(404, "NAME_UNKNOWN"), False),
    ],
)
def test_a_repository_may_have_images_and_no_tag(answer: Response, tagged: bool) -> None:
    client = RegistryClient(transport=FakeNetwork({"registry.example.com": lambda _: answer}))
    assert has_tags(client, IMAGE) is tagged


@pytest.mark.parametrize("answer", [refuse(403, "DENIED"), respond(500), respond(200, b'{"tags": 1}')])
def test_whether_a_repository_has_tags_is_never_guessed(answer: Response) -> None:
    client = RegistryClient(transport=FakeNetwork({"registry.example.com": lambda _: answer}))
    with pytest.raises(RegistryError):
        has_tags(client, IMAGE)


def test_a_repository_that_is_not_there_has_no_tags() -> None:
    """Distribution says so of one without tags, too."""
    fake = FakeNetwork({"registry.example.com": lambda request: refuse(404, "NAME_UNKNOWN")})
    assert list_tags(RegistryClient(transport=fake), IMAGE) == ()
    assert list_tags(RegistryClient(transport=FakeRegistry()), IMAGE) == ()


@pytest.mark.parametrize("ask", [list_tags, has_tags])
def test_a_refused_list_is_told_with_what_it_is_for(ask: Any) -> None:
    """As at ECR, who may pull an image need not be allowed to list tags; regctl does, to find signatures."""
    answer = refuse(403, "DENIED", "not authorized to perform: ecr:ListImages")
    network = FakeNetwork({"registry.example.com": lambda _: answer})
    login = Credential(Registry("registry.example.com"), "anna", Secret("of-annas-own"))
    with pytest.raises(RegistryError) as caught:
        ask(RegistryClient(Credentials([login]), transport=network), IMAGE)
    assert caught.value.what.startswith(f"{IMAGE.name}: its tags cannot be listed, and signatures")
    assert "ecr:ListImages" in caught.value.what
