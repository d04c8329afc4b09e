"""Redirects, retries and the deadline of one request, without a socket and without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, respond
from gocdnext_sdk.oci.exchange import MAX_REDIRECTS, MAX_RETRY_AFTER, MAX_TRIES, Exchange
from gocdnext_sdk.oci.transport import Fault, Request, Response, Transport, TransportError

URL = "https://reg.example/v2/app/manifests/1"
GET = Request("GET", URL, {"Authorization": "Basic eA==", "Accept": "x"})


@dataclass
class Clock:
    now: float = 0
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)


class Script(Transport):
    """Answers one request after the other as written."""

    def __init__(self, *answers: Response | TransportError) -> None:
        self._answers: Iterator[Response | TransportError] = iter(answers)
        self.sent: list[Request] = []

    def send(self, request: Request, deadline: float) -> Response:
        self.sent.append(request)
        answer = next(self._answers)
        if isinstance(answer, TransportError):
            raise answer
        return answer


def moved(location: str, status: int = 307) -> Response:
    return respond(status, b"", {"Location": location})


def busy(status: int = 503, **headers: str) -> Response:
    return respond(status, b"", {name.replace("_", "-"): value for name, value in headers.items()})


def broken(fault: Fault = Fault.BROKEN) -> TransportError:
    return TransportError(fault, "reset")


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        ("location", "url", "keeps_login"),
        [
            ("/inside", "https://reg.example/inside", True),
            ("https://reg.example:443/inside", "https://reg.example:443/inside", True),
            ("https://cdn.example/away", "https://cdn.example/away", False),
            ("https://reg.example:8443/away", "https://reg.example:8443/away", False),
            ("//cdn.example/away", "https://cdn.example/away", False),
        ],
    )
    def test_the_login_stays_with_its_host(
        self, status: int, location: str, url: str, keeps_login: bool
    ) -> None:
        script = Script(moved(location, status), respond(200))
        answer = Exchange(script).send(GET, 100)
        assert script.sent[1].url == url
        assert ("Authorization" in script.sent[1].headers) is keeps_login
        assert script.sent[1].headers["Accept"] == "x"
        assert answer.request == script.sent[1]

    def test_the_login_does_not_come_back(self) -> None:
        script = Script(moved("https://cdn.example/"), moved(URL), respond(200))
        Exchange(script).send(GET, 100)
        assert [("Authorization" in each.headers) for each in script.sent] == [True, False, False]

    @pytest.mark.parametrize(
        "location",
        [
            "http://reg.example/",
            "ftp://x/",
            "https://u:p@x/",
            "https://x:99999/",
            "https://[/",
            "file:///etc",
        ],
    )
    def test_not_everywhere(self, location: str) -> None:
        script = Script(moved(location))
        with pytest.raises(TransportError) as caught:
            Exchange(script).send(GET, 100)
        assert caught.value.fault is Fault.INVALID
        assert len(script.sent) == 1

    def test_from_plain_http_to_tls_without_the_login(self) -> None:
        script = Script(moved("https://reg.example/"), respond(200))
        Exchange(script).send(Request("GET", "http://reg.example/", {"Authorization": "x"}), 100)
        assert "Authorization" not in script.sent[1].headers

    def test_not_for_ever(self) -> None:
        script = Script(*[moved("/again")] * 99)
        with pytest.raises(TransportError, match=f"more than {MAX_REDIRECTS} times"):
            Exchange(script).send(GET, 100)
        assert len(script.sent) == MAX_REDIRECTS + 1

    def test_what_is_no_redirect_is_an_answer(self) -> None:
        for answer in (
            respond(302),
            respond(304, b"", {"Location": "/x"}),
            respond(300, b"", {"Location": "/x"}),
        ):
            assert Exchange(Script(answer)).send(GET, 100).status == answer.status

    @pytest.mark.parametrize(("status", "sent"), [(301, 1), (302, 1), (303, 1), (307, 2), (308, 2)])
    def test_content_is_sent_again_only_where_the_method_stays(self, status: int, sent: int) -> None:
        script = Script(moved("https://cdn.example/", status), respond(201))
        Exchange(script).send(Request("PUT", URL, {}, b"{}"), 100)
        assert len(script.sent) == sent

    @pytest.mark.parametrize("method", ["DELETE", "POST"])
    @pytest.mark.parametrize(("status", "sent"), [(301, 1), (302, 1), (303, 1), (307, 2), (308, 2)])
    def test_nor_is_anything_but_a_question(self, method: str, status: int, sent: int) -> None:
        """303 after a DELETE names a page to look at, not the next thing to delete."""
        script = Script(moved("/things", status), respond(200))
        Exchange(script).send(Request(method, URL), 100)
        assert len(script.sent) == sent

    @pytest.mark.parametrize(("location", "sent"), [("/inside", 2), ("https://cdn.example/", 1)])
    def test_a_refresh_token_goes_to_no_other_host(self, location: str, sent: int) -> None:
        script = Script(moved(location), respond(200))
        Exchange(script).send(Request("POST", URL, {}, b"refresh_token=x"), 100)
        assert len(script.sent) == sent


class TestRetries:
    @pytest.mark.parametrize(
        "answer", [busy(429), busy(502), busy(503), busy(504), broken(), broken(Fault.REFUSED)]
    )
    def test_what_may_be_better_soon(self, answer: Response | TransportError) -> None:
        clock = Clock()
        script = Script(answer, answer, respond(200))
        assert Exchange(script, clock).send(GET, 100).status == 200
        assert clock.waits == [1.0]  # the second try is made at once

    @pytest.mark.parametrize("fault", [Fault.NO_TLS, Fault.TLS, Fault.NO_NAME, Fault.LIMIT, Fault.INVALID])
    def test_what_cannot(self, fault: Fault) -> None:
        script = Script(broken(fault))
        with pytest.raises(TransportError):
            Exchange(script, Clock()).send(GET, 100)

    @pytest.mark.parametrize("status", [400, 404, 500, 501])
    def test_another_answer_is_one(self, status: int) -> None:
        assert Exchange(Script(respond(status)), Clock()).send(GET, 100).status == status

    def test_the_last_answer_is_returned(self) -> None:
        clock = Clock()
        script = Script(*[busy()] * 99)
        assert Exchange(script, clock).send(GET, 1000).status == 503
        assert len(script.sent) == MAX_TRIES
        assert clock.waits == [1.0, 2.0, 4.0]

    def test_it_waits_as_long_as_it_is_asked_to_but_not_for_hours(self) -> None:
        clock = Clock()
        script = Script(busy(429, Retry_After="7"), busy(429, Retry_After="36000"), respond(200))
        assert Exchange(script, clock).send(GET, 10**6).status == 429
        assert clock.waits == [7]

    def test_a_date_is_as_good_as_seconds(self) -> None:
        clock = Clock()
        then = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
        Exchange(Script(busy(429, Retry_After=then), respond(200)), clock).send(GET, 1000)
        assert 15 < clock.waits[0] <= 20

    @pytest.mark.parametrize(
        "value",
        [
            *("soon", "-5", "1e9", "", "99999999999999999999", "Wed, 99 Nov", "\u0663"),
            "Mon, 01 Jan 2030 00:00:00 -99999999999999999999",
            *("Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"),
        ],
    )
    def test_what_is_neither_is_bounded_too(self, value: str) -> None:
        clock = Clock()
        Exchange(Script(busy(429, Retry_After=value), respond(200)), clock).send(GET, 1000)
        assert sum(clock.waits) <= MAX_RETRY_AFTER

    def test_nothing_is_waited_for_past_the_deadline(self) -> None:
        clock = Clock()
        script = Script(*[busy(429, Retry_After="50")] * 99)
        assert Exchange(script, clock).send(GET, 120).status == 429
        assert clock.now <= 120
        assert len(script.sent) == 3


def test_the_network_of_tests_has_names_and_schemes() -> None:
    handler: Callable[[Request], Response] = lambda request: respond(200, b"x")  # noqa: E731
    network = FakeNetwork({"a": handler, "b": handler}, tls={"a": True, "b": False})
    assert network.send(Request("GET", "https://a/"), time.monotonic()).body == b"x"
    assert network.send(Request("HEAD", "http://b/"), time.monotonic()).headers["content-length"] == "1"
    for url in ("http://a/", "https://b/", "https://c/"):
        with pytest.raises(TransportError):
            network.send(Request("GET", url), time.monotonic())
