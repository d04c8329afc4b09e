"""Every login of a Docker configuration is used, or named with the reason."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.oci.credentials import Credential, Credentials
from gocdnext_sdk.oci.docker_config import read
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.secret import Secret

GHCR = Registry("ghcr.io")
WORD = "hunter2-hunter2"


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def parse(**content: object) -> Credentials:
    return Credentials.parse(Secret(json.dumps(content)))


def login(entry: object, key: str = "ghcr.io") -> Credential:
    (found,) = parse(auths={key: entry})
    return found


class TestEntries:
    def test_a_pair_in_either_form(self) -> None:
        expected = Credential(GHCR, "me", Secret(WORD))
        assert login({"auth": auth(f"me:{WORD}")}) == expected
        assert login({"username": "me", "password": WORD}) == expected
        assert login({"auth": "", "username": "me", "password": WORD}) == expected
        assert login({"auth": auth(f"me:{WORD}"), "username": "other", "password": "x"}) == expected
        assert login({"auth": auth(f"me:{WORD}\0\0"), "email": "x"}) == expected
        assert login({"auth": auth(f"me:{WORD}") + "\n"}) == expected

    def test_fields_in_another_case_are_read_as_docker_reads_them(self) -> None:
        entry = {"Auth": auth(f"me:{WORD}")}
        assert login(entry) == Credential(GHCR, "me", Secret(WORD))
        assert parse(Auths={"ghcr.io": entry}).get(GHCR) == Credential(GHCR, "me", Secret(WORD))
        (_, unusable) = read(Secret(json.dumps({"CREDSSTORE": "desktop"})))
        assert [each.key for each in unusable] == ["credsStore"]

    @pytest.mark.parametrize(
        "text",
        [
            '{"auths": {"ghcr.io": {"username": "a"}, "ghcr.io": {"username": "b"}}}',
            '{"auths": {"ghcr.io": {"username": "a"}}, "Auths": {}}',
            '{"auths": {"ghcr.io": {"auth": "", "AUTH": ""}}}',
        ],
    )
    def test_a_key_that_is_there_twice_is_named(self, text: str) -> None:
        try:
            told = " ".join(each.reason for each in read(Secret(text))[1])
        except ValueError as error:
            told = str(error)
        assert "twice in one object" in told

    def test_a_password_may_have_colons_and_be_empty(self) -> None:
        assert login({"auth": auth("me:a:b")}).password == Secret("a:b")
        assert login({"auth": auth("me:")}).has_password

    def test_a_password_may_be_a_file_of_json(self) -> None:
        """That of `_json_key`, at Google's registries."""
        key = '{\n\t"type": "service_account",\n  "private_key": "…"\n}\n'
        assert login({"auth": auth(f"_json_key:{key}")}).password == Secret(key)

    def test_what_az_acr_login_writes(self) -> None:
        zeros = "00000000-0000-0000-0000-000000000000"
        found = login({"auth": auth(f"{zeros}:"), "identitytoken": WORD})
        assert found == Credential(GHCR, zeros, Secret(""), Secret(WORD))
        assert not found.has_password

    def test_tokens_alone(self) -> None:
        assert login({"identitytoken": WORD}).identity_token == Secret(WORD)
        assert login({"registrytoken": WORD}).registry_token == Secret(WORD)

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            *(({"auth": "bad-auth-bad"}, "base64"), ({"auth": auth("user")}, "base64")),
            *(
                ({"auth": auth(":word")}, "base64"),
                ({"auth": base64.b64encode(b"u:\xff").decode()}, "base64"),
            ),
            *(({}, "has no credentials"), ({"username": "", "password": ""}, "has no credentials")),
            *(({"password": WORD}, "without a user name"), ({"auth": 7}, "not a text")),
            *((7, "not an object"), (None, "has no credentials"), ({"identitytoken": []}, "not a text")),
            *(({"auth": None}, "has no credentials"), ({"username": "u"}, "without a password")),
            *(({"username": "u", "passwd": WORD}, "a field"), ({"user": "u", "pass": WORD}, "a field")),
            *(
                ({"auth": auth("u:p"), WORD: ""}, "a field"),
                ({"auth": auth("u:p"), "helper": "x"}, "a field"),
            ),
            *(
                ({"auth": auth("u:p\n")}, "ends with a line break"),
                ({"auth": auth("u:p\0p")}, "control character"),
                ({"identitytoken": "a\nb"}, "control character"),
            ),
            ({"username": "u", "password": "\ud800"}, "half a character"),
            ({"username": "a:b", "password": "c"}, "colon"),
        ],
    )
    def test_one_that_gives_no_login_is_named(self, entry: object, reason: str) -> None:
        with pytest.raises(ValueError, match=rf"^ghcr\.io: .*{reason}") as caught:
            login(entry)
        assert WORD not in str(caught.value)


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "host", "scope"),
        [
            *(
                ("ghcr.io", "ghcr.io", ""),
                ("https://ghcr.io", "ghcr.io", ""),
                ("http://ghcr.io/", "ghcr.io", ""),
            ),
            *(("https://ghcr.io/v2/", "ghcr.io", ""), ("ghcr.io/v1/", "ghcr.io", "")),
            *(("https://index.docker.io/v1/", "docker.io", ""), ("index.docker.io/v1/", "docker.io", "")),
            *(("docker.io", "docker.io", ""), ("registry-1.docker.io", "docker.io", "")),
            *(("localhost:5000", "localhost:5000", ""), ("registry:5000", "registry:5000", "")),
            *(("https://gitlab.example/some/path", "gitlab.example", ""), ("GHCR.io", "ghcr.io", "")),
            *(("ghcr.io/org", "ghcr.io", "org"), ("ghcr.io/org/app/", "ghcr.io", "org/app")),
            *(("docker.io/library", "docker.io", "library"), ("example.com/foo", "example.com", "foo")),
            *(("ghcr.io/v2/team", "ghcr.io", "v2/team"), ("ghcr.io/v1team", "ghcr.io", "v1team")),
        ],
    )
    def test_every_form(self, key: str, host: str, scope: str) -> None:
        found = login({"auth": auth("me:x")}, key)
        assert (found.registry.host, found.scope) == (host, scope)

    @pytest.mark.parametrize("key", ["", "a b", "ghcr.io/Org", "https://", "*.example.com", "ghcr.io/a//b"])
    def test_one_that_is_none_is_named(self, key: str) -> None:
        with pytest.raises(ValueError, match="is not a registry host"):
            login({"auth": auth("me:x")}, key)

    def test_one_with_a_password_in_it_is_not_quoted(self) -> None:
        for key in (f"https://me:{WORD}@ghcr.io", f"me:{WORD}", f"me:{WORD}\n"):
            for content in ({"auths": {key: {"auth": auth("me:x")}}}, {key: {"auth": auth("me:x")}}):
                with pytest.raises(ValueError, match="a key of auths: ") as caught:
                    parse(**content)
                assert WORD not in str(caught.value)

    def test_two_logins_for_one_registry_are_a_question(self) -> None:
        one, other = {"auth": auth("a:x")}, {"auth": auth("b:x")}
        with pytest.raises(ValueError, match=r"a second entry for docker\.io"):
            parse(auths={"docker.io": one, "https://index.docker.io/v1/": other})
        assert len(list(parse(auths={"docker.io": one, "https://index.docker.io/v1/": one}))) == 1


class TestWhatIsNoEntry:
    def test_helpers_are_named(self) -> None:
        with pytest.raises(ValueError, match=r"^ghcr\.io: .*helper ecr-login, which a plugin cannot run"):
            parse(credHelpers={"ghcr.io": "ecr-login"})
        with pytest.raises(ValueError, match=r"^credsStore: .*helper desktop") as caught:
            parse(auths={"ghcr.io": {}}, credsStore="desktop")
        assert "has no credentials" not in str(caught.value)

    def test_a_login_beside_auths_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"^fake\.io: .*beside `auths`"):
            parse(**{"fake.io": {"auth": auth("a:b")}})

    def test_other_settings_are_no_logins(self) -> None:
        settings: dict[str, object] = {
            "psFormat": "x",
            "HTTPHEADERS": {"a": "b"},
            "proxies": {"default": {"httpProxy": "http://proxy"}},
            "plugins": {"a": {"b": "c"}},
            "pruneFilters": ["a"],
            "experimental": "enabled",
            "new": True,
        }
        assert len(list(parse(auths={"ghcr.io": {"auth": auth("a:b")}}, **settings))) == 1

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ('{"auth": {"ghcr.io": {"auth": "dTpw"}}}', "auth"),
            ('{"auths ": {"ghcr.io": {"auth": "dTpw"}}}', "auths "),
            ('{"authConfigs": {"ghcr.io": {"auth": "dTpw"}}}', "authConfigs"),
            ('{"ghcr.io": {"Auth": "dTpw"}}', "ghcr.io"),
            ('{"ghcr.io": {"user": "u", "pass": "p"}}', "ghcr.io"),
            ('{"ghcr.io": "dTpw"}', "ghcr.io"),
            ('{"localhost:5000": "dTpw"}', "localhost:5000"),
            ('{"registry": "ghcr.io", "username": "u", "password": "p"}', "username"),
            ('{"PASSWORD": "p"}', "PASSWORD"),
            ('{"data": {".dockerconfigjson": "e30="}}', "data"),
            ('{"credHelper": {"ghcr.io": "ecr-login"}}', "credHelper"),
            ('{"logins": [{"host": "ghcr.io"}]}', "logins"),
        ],
    )
    def test_what_is_no_setting_of_docker_is_named(self, text: str, key: str) -> None:
        beside = text.replace("{", '{"auths": {"quay.io": {"auth": "dTpw"}}, ', 1)
        for each in (text, beside):
            with pytest.raises(ValueError, match=rf"(^|; ){key}: "):
                Credentials.parse(Secret(each))

    @pytest.mark.parametrize(
        "text",
        [
            *("{}", '{"auths": {}}', '{"auths": null}', '{"psFormat": "x"}', '{"credsStore": ""}'),
            *('{"auths": null, "credHelpers": null, "credsStore": null}',),
        ],
    )
    def test_one_without_any_login_is_refused_where_it_is_given(self, text: str) -> None:
        assert read(Secret(text)) == ((), ())  # the user's own may well be empty
        with pytest.raises(ValueError, match="holds no credentials"):
            Credentials.parse(Secret(text))

    def test_the_tokens_of_a_login_in_the_browser_are_passed_over(self) -> None:
        """Docker stores them beside the login that it got by them, for `docker logout`."""
        hub = "https://index.docker.io/v1/"
        tokens = {f"{hub}{name}": {"auth": auth(f"me:{name}")} for name in ("access-token", "refresh-token")}
        (found,) = parse(auths={**tokens, hub: {"auth": auth(f"me:{WORD}")}})
        assert (found.registry.host, found.password) == ("docker.io", Secret(WORD))
        with pytest.raises(ValueError, match=r"access-token: .*; .*refresh-token: ") as caught:
            parse(auths=tokens)
        assert "second entry" not in str(caught.value)
        assert parse(auths={f"{hub}access-token": {}, hub: {"auth": auth(f"me:{WORD}")}})

    def test_all_mistakes_at_once(self) -> None:
        with pytest.raises(ValueError) as caught:
            parse(auths={"a.io": {}, "b.io": {"auth": "!"}}, credsStore="x")
        assert [part.partition(":")[0] for part in str(caught.value).split("; ") if ":" in part] == [
            *("credsStore", "b.io")
        ]


class TestScopes:
    def config(self) -> Credentials:
        pairs = {"ghcr.io": "all", "ghcr.io/org": "org", "ghcr.io/org/app": "app", "quay.io": "quay"}
        return parse(auths={key: {"auth": auth(f"{user}:x")} for key, user in pairs.items()})

    @pytest.mark.parametrize(
        ("repository", "user"),
        [
            ("org/app", "app"),
            ("org/app/sub", "app"),
            ("org/application", "org"),
            ("organ/app", "all"),
            ("", "all"),
        ],
    )
    def test_the_one_for_most_of_it_counts(self, repository: str, user: str) -> None:
        found = self.config().get(GHCR, repository)
        assert found is not None
        assert found.username == user

    def test_a_tool_gets_one_a_host(self) -> None:
        app, other = map(Reference.parse, ("ghcr.io/org/app", "ghcr.io/org/other"))
        (bound,) = self.config().bound_to([app, app])
        assert (bound.username, bound.scope, bound.registry) == ("app", "", GHCR)
        with pytest.raises(ValueError, match="different credentials"):
            self.config().bound_to([app, other])
        assert not self.config().bound_to([Reference.parse("other.example/app")])

    def test_what_fits_no_image_is_known(self) -> None:
        unused = self.config().unused_for([Reference.parse("ghcr.io/org/app")])
        assert [each.username for each in unused] == ["quay"]


def test_what_is_written_for_a_tool_is_read_back() -> None:
    given = Credentials(
        [
            Credential(Registry("docker.io"), "me", Secret(WORD)),
            Credential(GHCR, "", Secret(""), Secret("refresh")),
            Credential(Registry("quay.io"), "", Secret(""), None, Secret("bearer")),
            Credential(Registry("a.io"), "me", Secret("x"), scope="team"),
        ]
    )
    assert list(Credentials.parse(given.docker_config())) == list(given)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "auths",
                    "auth",
                    "ghcr.io",
                    "username",
                    "password",
                    "identitytoken",
                    "credHelpers",
                    "credsStore",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_json_is_read_or_refused(content: object) -> None:
    try:
        credentials, unusable = read(Secret(json.dumps(content)))
    except ValueError:
        return
    assert all(each.secrets or each.username for each in credentials)
    assert all(each.reason for each in unusable)
