"""The challenge dance as one function: requests come out, answers go in, and there is no socket."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from gocdnext_sdk.errors import RegistryError
from gocdnext_sdk.host.testing.fake_registry import respond
from gocdnext_sdk.oci.auth import READ, WRITE, Access, Authenticator, TokenRefused, offered
from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.reference import Registry
from gocdnext_sdk.oci.transport import Request, Response
from gocdnext_sdk.secret import Secret

WORD = "hunter2-hunter2"
REG = Registry("reg.example")
REALM = "https://auth.example/token"
GET = Request("GET", "https://reg.example/v2/app/manifests/1")
PASSWORD = Credential(REG, "me", Secret(WORD))
BASIC = "Basic " + base64.b64encode(f"me:{WORD}".encode()).decode()
BEARER = f'Bearer realm="{REALM}",service="s",scope="repository:app:pull"'


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Dance:
    """Drives a flow with a function that answers, and keeps what was sent."""

    def __init__(self, *credentials: Credential) -> None:
        self.clock = Clock()
        self.auth = Authenticator(Credentials(credentials), self.clock)
        self.sent: list[Request] = []

    def __call__(
        self,
        answer: Callable[[Request], Response],
        request: Request = GET,
        actions: str = READ,
        repository: str = "app",
    ) -> Response:
        flow = self.auth.flow(request, Access(REG, repository, actions))
        following = next(flow)
        while True:
            self.sent.append(following)
            try:
                following = flow.send(answer(following))
            except StopIteration as end:
                found: Response = end.value
                return found

    @property
    def authorizations(self) -> list[str | None]:
        return [each.headers.get("Authorization") for each in self.sent]


def unauthorized(*challenges: str) -> Response:
    return respond(401, b"", [("WWW-Authenticate", each) for each in challenges])


def wants(authorization: str, *challenges: str, token: object = None) -> Callable[[Request], Response]:
    """Return what wants this header, and gives this token to whoever asks its token server."""

    def answer(request: Request) -> Response:
        if request.url.startswith(REALM):
            return respond(200, json.dumps(token))
        is_right = request.headers.get("Authorization") == authorization
        return respond(200) if is_right else unauthorized(*challenges)

    return answer


def query(request: Request) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url).query)


class TestBasic:
    @pytest.mark.parametrize(
        "challenges",
        [
            *(
                ("Basic",),
                ('Basic realm="x"',),
                ("Negotiate", 'Basic realm="x"'),
                ('Negotiate, Basic realm="x"',),
            ),
            *(('Basic realm="x", Negotiate',), ("NTLM", "Negotiate", "basic"), ('Bearer, Basic realm="x"',)),
            *(('Bearer realm="ftp://x/", Basic realm="x"',), ('Bearer realm="http://x/"', "Basic")),
        ],
    )
    def test_it_is_found_among_others(self, challenges: tuple[str, ...]) -> None:
        dance = Dance(PASSWORD)
        assert dance(wants(BASIC, *challenges)).status == 200
        assert dance.authorizations == [None, BASIC]

    def test_it_is_sent_at_once_then_and_for_writing_too(self) -> None:
        dance = Dance(PASSWORD)
        for actions in (READ, READ, WRITE):
            dance(wants(BASIC, "Basic"), actions=actions)
        assert dance.authorizations == [None, BASIC, BASIC, BASIC]

    def test_a_refused_password_is_sent_once(self) -> None:
        dance = Dance(PASSWORD)
        assert dance(lambda request: unauthorized("Basic", 'Basic realm="y"')).status == 401
        assert dance.authorizations[:2] == [None, BASIC]
        assert len(dance.sent) <= 3

    @pytest.mark.parametrize(
        "credential",
        [None, Credential(REG, "", Secret(""), Secret("t")), Credential(REG, "0", Secret(""), Secret("t"))],
    )
    def test_who_has_no_password_sends_none(self, credential: Credential | None) -> None:
        dance = Dance(*filter(None, [credential]))
        assert dance(wants(BASIC, "Basic")).status == 401
        assert dance.authorizations == [None]

    def test_another_registrys_password_is_not_sent(self) -> None:
        dance = Dance(Credential(Registry("other.example"), "me", Secret(WORD)))
        dance(wants(BASIC, "Basic"))
        assert dance.authorizations == [None]

    def test_whoever_a_redirect_led_to_gets_no_answer(self) -> None:
        dance = Dance(PASSWORD)
        away = Request("GET", "https://evil.example/x")
        found = Response(401, unauthorized("Basic", BEARER).headers, request=away)
        assert dance(lambda request: found) == found
        assert dance.authorizations == [None]

    def test_what_is_offered_can_be_told(self) -> None:
        assert offered(unauthorized("Negotiate, NTLM", "digest realm=x")) == ("Negotiate", "Ntlm", "Digest")


class TestBearer:
    @pytest.mark.parametrize("key", ["token", "access_token"])
    @pytest.mark.parametrize(
        "challenges", [(BEARER,), (f'Basic realm="x", {BEARER}',), ("Negotiate", BEARER, "Basic")]
    )
    def test_a_token_is_better_than_a_password(self, key: str, challenges: tuple[str, ...]) -> None:
        dance = Dance(PASSWORD)
        assert dance(wants("Bearer t0k3n", *challenges, token={key: "t0k3n"})).status == 200
        assert dance.authorizations == [None, BASIC, "Bearer t0k3n"]
        assert query(dance.sent[1]) == {"service": ["s"], "scope": ["repository:app:pull"]}

    def test_where_no_token_is_given_the_password_may_do(self) -> None:
        dance = Dance(PASSWORD)

        def answer(request: Request) -> Response:
            if request.url.startswith(REALM):
                return respond(404)
            return respond(200) if dance.authorizations[-1] == BASIC else unauthorized(BEARER, "Basic")

        assert dance(answer).status == 200

    @pytest.mark.parametrize(
        ("challenge", "expected"),
        [
            (f'Bearer realm="{REALM}"', {"scope": ["repository:app:pull"]}),
            (f"Bearer realm={REALM},service=s", {"service": ["s"], "scope": ["repository:app:pull"]}),
            (
                f'Bearer realm="{REALM}?account=x",scope="repository:app:pull repository:base:pull"',
                {"account": ["x"], "scope": ["repository:app:pull", "repository:base:pull"]},
            ),
            (
                f'Bearer realm="{REALM}#x",scope="registry:catalog:*"',
                {"scope": ["repository:app:pull", "registry:catalog:*"]},
            ),
        ],
    )
    def test_what_is_asked_for(self, challenge: str, expected: dict[str, list[str]]) -> None:
        dance = Dance()
        dance(wants("Bearer t", challenge, token={"token": "t"}))
        assert query(dance.sent[1]) == expected
        assert dance.authorizations == [None, None, "Bearer t"]

    def test_one_is_good_for_what_it_was_asked_for(self) -> None:
        dance = Dance(PASSWORD)
        for actions in (READ, READ, WRITE, READ):
            dance(wants("Bearer t", BEARER, token={"token": "t"}), actions=actions)
        scopes = [query(each)["scope"][0] for each in dance.sent if each.url.startswith(REALM)]
        assert scopes == ["repository:app:pull", "repository:app:pull,push"]

    @pytest.mark.parametrize(
        ("life", "seconds", "asks_again"),
        [
            (300, 299, False),
            (300, 301, True),
            (None, 59, False),
            (None, 61, True),
            (5, 59, False),
            ("x", 61, True),
            *((-5, 61, True), (10**400, 86_399, False), (10**400, 86_401, True)),
        ],
    )
    def test_it_is_sent_while_it_lives(self, life: object, seconds: float, asks_again: bool) -> None:
        dance = Dance(PASSWORD)
        answer = wants("Bearer t", BEARER, token={"token": "t", "expires_in": life})
        dance(answer)
        dance.clock.now += seconds
        dance.sent.clear()
        dance(answer)
        assert (len(dance.sent) == 3) is asks_again

    def test_one_that_is_refused_early_is_renewed(self) -> None:
        dance = Dance(PASSWORD)
        dance(wants("Bearer old", BEARER, token={"token": "old"}))
        dance.sent.clear()
        assert dance(wants("Bearer new", BEARER, token={"token": "new"})).status == 200
        assert dance.authorizations == ["Bearer old", BASIC, "Bearer new"]

    @pytest.mark.parametrize(
        "realm",
        [
            *(
                "ftp://x/",
                "http://auth.example/",
                "https://",
                "",
                "https://u:p@x/",
                "https://[/",
                "https://x:99999/",
            ),
            *("https://x/ y", "x", "file:///etc/passwd", "http://169.254.169.254/"),
        ],
    )
    def test_no_login_for_what_is_no_token_server(self, realm: str) -> None:
        dance = Dance(PASSWORD)
        assert dance(lambda request: unauthorized(f'Bearer realm="{realm}"')).status == 401
        assert dance.authorizations == [None]

    @pytest.mark.parametrize(
        ("realm", "asked"),
        [
            *(("http://reg.example/token", True), ("http://127.0.0.1:1/token", True)),
            *(("http://auth.example/token", False), ("https://auth.example/token", True)),
        ],
    )
    def test_over_plain_http_only_as_the_registry_itself(self, realm: str, asked: bool) -> None:
        dance = Dance(PASSWORD)
        plain = Request("GET", "http://reg.example/v2/app/manifests/1")
        with pytest.raises(TokenRefused) if asked else contextlib.nullcontext():
            dance(lambda request: unauthorized(f'Bearer realm="{realm}"'), plain)
        assert (BASIC in dance.authorizations) is asked

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html>",
            "[]",
            "7",
            '{"token": 7}',
            '{"token": "a b"}',
            '{"token": "a\\n"}',
            '{"token": ["a"]}',
        ],
    )
    def test_a_token_that_is_none_is_neither_sent_nor_told(self, body: str) -> None:
        dance = Dance(PASSWORD)
        with pytest.raises(RegistryError, match=r"reg\.example names auth\.example as its token server"):
            dance(
                lambda request: respond(200, body) if request.url.startswith(REALM) else unauthorized(BEARER)
            )
        assert dance.authorizations == [None, BASIC]

    @pytest.mark.parametrize("token", [{}, {"token": ""}, {"token": None}])
    def test_no_token_is_no_login(self, token: object) -> None:
        dance = Dance(PASSWORD)
        assert dance(wants("Bearer t", BEARER, token=token)).status == 401

    def test_a_token_servers_refusal_is_told_apart(self) -> None:
        dance = Dance(PASSWORD)
        with pytest.raises(TokenRefused) as caught:
            dance(lambda request: respond(403) if request.url.startswith(REALM) else unauthorized(BEARER))
        assert caught.value.response.status == 403

    def test_a_registry_token_is_sent_as_it_is(self) -> None:
        dance = Dance(Credential(REG, registry_token=Secret("as-is")))
        assert dance(wants("Bearer as-is", BEARER)).status == 200
        assert dance.authorizations == [None, "Bearer as-is"]


class TestRefreshToken:
    CREDENTIAL = Credential(REG, "00000000", Secret(""), Secret("r3fr3sh"))

    def test_it_is_exchanged_by_post(self) -> None:
        dance = Dance(self.CREDENTIAL)
        assert dance(wants("Bearer t", BEARER, token={"access_token": "t"})).status == 200
        asked = dance.sent[1]
        assert (asked.method, asked.url) == ("POST", REALM)
        assert parse_qs((asked.body or b"").decode()) == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["r3fr3sh"],
            "client_id": ["gocdnext-plugin-sdk"],
            "service": ["s"],
            "scope": ["repository:app:pull"],
        }
        assert dance.authorizations == [None, None, "Bearer t"]

    def test_a_new_one_takes_its_place(self) -> None:
        dance = Dance(self.CREDENTIAL)
        token = {"access_token": "t", "refresh_token": "n3w"}
        for actions in (READ, WRITE):
            dance(wants("Bearer t", BEARER, token=token), actions=actions)
        bodies = [parse_qs((each.body or b"").decode()) for each in dance.sent if each.method == "POST"]
        assert [each["refresh_token"] for each in bodies] == [["r3fr3sh"], ["n3w"]]

    def test_a_new_one_is_that_of_its_own_login_alone(self) -> None:
        teams = ("team-a", "team-b")
        dance = Dance(*(Credential(REG, identity_token=Secret(f"of-{each}"), scope=each) for each in teams))
        token = {"access_token": "t", "refresh_token": "n3w-of-a"}
        dance(wants("Bearer t", BEARER, token=token), repository="team-a/x")
        for repository in ("team-b/y", "team-a/z", "nobodys"):
            dance(wants("Bearer t", BEARER, token={"access_token": "t"}), repository=repository)
        bodies = [parse_qs((each.body or b"").decode()) for each in dance.sent if each.method == "POST"]
        assert [each["refresh_token"] for each in bodies] == [["of-team-a"], ["of-team-b"], ["n3w-of-a"]]

    def test_one_that_nobody_logged_in_for_is_not_used(self) -> None:
        dance = Dance(Credential(REG, identity_token=Secret("of-team-b"), scope="team-b"))
        token = {"access_token": "t", "refresh_token": "anonymous"}
        for repository in ("public", "team-b/y"):
            dance(wants("Bearer t", BEARER, token=token), repository=repository)
        bodies = [parse_qs((each.body or b"").decode()) for each in dance.sent if each.method == "POST"]
        assert [each["refresh_token"] for each in bodies] == [["of-team-b"]]

    @pytest.mark.parametrize(("password", "methods"), [("", ["POST"]), (WORD, ["POST", "GET"])])
    @pytest.mark.parametrize("status", [404, 405])
    def test_a_server_without_post_is_asked_with_the_password_if_there_is_one(
        self, status: int, password: str, methods: list[str]
    ) -> None:
        dance = Dance(Credential(REG, "me", Secret(password), Secret("r3fr3sh")))
        with pytest.raises(TokenRefused):
            dance(lambda request: respond(status) if request.url.startswith(REALM) else unauthorized(BEARER))
        assert [each.method for each in dance.sent[1:]] == methods
