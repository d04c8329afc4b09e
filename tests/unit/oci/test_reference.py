"""Image references by the rules of distribution/reference, Docker Hub's three names among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gocdnext_sdk.oci.reference import Reference, Registry, is_digest, is_tag

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("app", "docker.io", "library/app", None, None),
        # Alone it is an ID; with a digest, distribution takes it for a name.
        (f"{'a' * 64}@{DIGEST}", "docker.io", f"library/{'a' * 64}", None, DIGEST),
        ("app:1", "docker.io", "library/app", "1", None),
        ("org/app", "docker.io", "org/app", None, None),
        ("docker.io/app", "docker.io", "library/app", None, None),
        ("docker.io/org/app:v1", "docker.io", "org/app", "v1", None),
        ("index.docker.io/org/app", "docker.io", "org/app", None, None),
        ("registry-1.docker.io/library/app", "docker.io", "library/app", None, None),
        ("ghcr.io/org/app:v1", "ghcr.io", "org/app", "v1", None),
        ("ghcr.io/app", "ghcr.io", "app", None, None),
        ("GHCR.io/org/app", "ghcr.io", "org/app", None, None),
        ("localhost/app", "localhost", "app", None, None),
        ("localhost:5000/app", "localhost:5000", "app", None, None),
        ("localhost:5000", "docker.io", "library/localhost", "5000", None),
        ("registry:5000/a/b/c:x", "registry:5000", "a/b/c", "x", None),
        ("10.0.0.1/app", "10.0.0.1", "app", None, None),
        ("[::1]:5000/app", "[::1]:5000", "app", None, None),
        (f"app@{DIGEST}", "docker.io", "library/app", None, DIGEST),
        (f"ghcr.io/org/app:v1@{DIGEST}", "ghcr.io", "org/app", "v1", DIGEST),
        ("a.b/c__d/e-f.g_h--i", "a.b", "c__d/e-f.g_h--i", None, None),
        (" ghcr.io/org/app \n", "ghcr.io", "org/app", None, None),
        ("ghcr.io/org/app:_V.1-x", "ghcr.io", "org/app", "_V.1-x", None),
    ],
)
def test_what_a_reference_means(
    text: str, host: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert Reference.parse(text) == Reference(Registry(host), repository, tag, digest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the repository"),
        ("Ghcr-App", 'write it as "library/ghcr-app"'),
        ("ghcr.io/Org/App", 'write it as "org/app"'),
        # By the grammar a host; by experience the name of an owner, whose login would go to that host.
        ("CamelOrg/app:v1", 'write it as "camelorg/app"'),
        ("CamelOrg/App:V1", 'write it as "camelorg/app"'),
        ("ghcr.io:99999/app", "is not a registry host"),
        ("ghcr.io:0/app", "is not a registry host"),
        ("https://ghcr.io/org/app", 'has a scheme; write it as "ghcr.io/org/app"'),
        ("ghcr.io/org/app:", '"" is not a tag'),
        ("ghcr.io/org/app:a b", '"a b" is not a tag'),
        ("ghcr.io/org/app:" + "x" * 129, "is not a tag"),
        ("ghcr.io/org/app:v1:v2", '"v1:v2" is not a tag'),
        (
            "ghcr.io/org/app:feat/x",
            '"feat/x" is not a tag; of a branch, `tags: type=ref,event=branch` makes one',
        ),
        ("ghcr.io/org/app@sha256:abc", '"sha256:abc" is not a digest'),
        ("ghcr.io/org/app@" + DIGEST.upper(), "is not a digest"),
        ("ghcr.io/org//app", 'the repository "org//app" is not valid'),
        ("ghcr.io/", 'the repository "" is not valid'),
        ("ghcr.io/-app", 'the repository "-app" is not valid'),
        ("ghcr.io:port/app", '"ghcr.io:port" is not a registry host'),
        ("[::::]/app", '"[::::]" is not a registry host'),
        ("--flag", "the repository"),
        ("ghcr.io/" + "a" * 256, "is not valid"),
        ("ghcr.io/a\nb", "is not valid"),
    ],
)
def test_what_is_none_says_which_part(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Reference.parse(text)
    assert message in str(caught.value)


def test_its_parts_and_spellings() -> None:
    reference = Reference.parse("app:1")
    assert (reference.name, reference.short_name, str(reference)) == (
        "docker.io/library/app",
        "app",
        "docker.io/library/app:1",
    )
    assert reference.version == "1"
    assert Reference.parse("ghcr.io/org/app").short_name == "ghcr.io/org/app"
    assert Reference.parse("ghcr.io/org/app").version == "latest"
    assert str(reference.with_tag("2")) == "docker.io/library/app:2"
    assert str(reference.with_digest(DIGEST)) == f"docker.io/library/app@{DIGEST}"
    assert reference.with_digest(DIGEST).version == DIGEST
    assert Reference.parse(f"app:1@{DIGEST}").version == DIGEST


@pytest.mark.parametrize("text", ["app", "ghcr.io/org/app:v1", f"localhost:5000/app:v1@{DIGEST}"])
def test_what_it_prints_it_also_reads(text: str) -> None:
    assert Reference.parse(str(Reference.parse(text))) == Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "host", "api", "key"),
    [
        ("docker.io", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"),
        ("index.docker.io", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"),
        ("registry-1.docker.io", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"),
        ("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"),
        ("Docker.IO", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"),
        ("ghcr.io", "ghcr.io", "ghcr.io", "ghcr.io"),
        ("https://ghcr.io/", "ghcr.io", "ghcr.io", "ghcr.io"),
        ("https://registry.example.com/v2/", *["registry.example.com"] * 3),
        ("localhost:5000", "localhost:5000", "localhost:5000", "localhost:5000"),
    ],
)
def test_the_three_names_of_a_registry(text: str, host: str, api: str, key: str) -> None:
    registry = Registry.parse(text)
    assert (str(registry), registry.api_host, registry.config_key) == (host, api, key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghcr.io/org/app", "is an image, not a registry"),
        ("a b", "is not a registry host"),
        ("", "is not a registry host"),
        ("-x", "is not a registry host"),
    ],
)
def test_what_is_no_registry(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        Registry.parse(text)
    assert message in str(caught.value)


def test_a_login_in_a_registrys_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match='give "username" and "password"') as caught:
        Registry.parse("https://me:hunter2@ghcr.io")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("registry.localhost:5000", True),
        ("registry.local", False),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("192.168.1.7:5000", True),
        ("10.1.2.3", True),
        ("8.8.8.8", False),
        ("[2001:db8::1]:5000", False),
        ("ghcr.io", False),
        ("localhost.example.com", False),
    ],
)
def test_which_hosts_are_spoken_to_without_tls(host: str, plain: bool) -> None:
    assert Registry(host).plain_http is plain


_COMPONENTS = st.from_regex(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+){0,2}", fullmatch=True)
_HOSTS = st.one_of(
    st.sampled_from(
        ["docker.io", "ghcr.io", "localhost", "localhost:5000", "[::1]:5000", "10.0.0.1", "Reg.Example"]
    ),
    st.from_regex(r"[a-zA-Z0-9]{1,8}(?:-[a-zA-Z0-9]{1,4})?\.[a-z]{2,5}(?::[1-9][0-9]{0,3})?", fullmatch=True),
)
_TAGS = st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
_DIGESTS = st.one_of(st.none(), st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True))


@given(_HOSTS, st.lists(_COMPONENTS, min_size=1, max_size=4), _TAGS, _DIGESTS)
def test_what_is_written_is_read_back(
    host: str, components: list[str], tag: str | None, digest: str | None
) -> None:
    text = f"{host}/{'/'.join(components)}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    parsed = Reference.parse(text)
    assert Reference.parse(str(parsed)) == parsed
    assert (parsed.tag, parsed.digest) == (tag, digest)
    assert Reference.parse(parsed.short_name).name == parsed.name


@given(st.text())
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        parsed = Reference.parse(text)
    except ValueError:
        return
    assert Reference.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", ["ghp_AbCdEfToken", "AbC/dEf+gh=", "AbCdEf@x"])
def test_what_may_be_a_token_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Registry.parse(text)
    assert text.lower() not in str(caught.value).lower()


def test_tags_and_digests() -> None:
    assert [is_tag(each) for each in ("v1", "_", "a" * 128, "é", "", "-x", ".x", "a" * 129, "v1\n")] == [
        *[True] * 3,
        *[False] * 6,
    ]
    assert is_digest(DIGEST)
    assert is_digest("sha512:" + "0" * 128)
    assert not is_digest("sha256:" + "0" * 63)
    assert not is_digest("md5:" + "0" * 32)
    assert not is_digest(DIGEST + "\n")


def test_as_a_field_it_takes_text_or_itself() -> None:
    class Model(BaseModel):
        image: Reference

    parsed = Reference.parse("app")
    assert Model(image="app").image == Model(image=parsed).image == parsed  # type: ignore[arg-type]
    assert Model(image=parsed).model_dump_json() == '{"image":"docker.io/library/app"}'
    with pytest.raises(ValidationError, match="is not an image reference"):
        Model(image="BAD")  # type: ignore[arg-type]
