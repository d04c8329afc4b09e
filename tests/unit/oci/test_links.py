"""`Link` by its grammar (RFC 8288 §3), and what URLs mean (RFC 3986 §5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gocdnext_sdk.oci.links import next_page, target_of
from gocdnext_sdk.oci.transport import Headers, Request, Response

HERE = "https://r.example/v2/a/b/tags/list?n=1"
NEXT = "https://r.example/v2/a/b/tags/list?last=x"


def answer(*links: str) -> Response:
    return Response(200, Headers([("Link", each) for each in links]), request=Request("GET", HERE))


@pytest.mark.parametrize(
    "field",
    [
        '</v2/a/b/tags/list?last=x>; rel="next"',
        "</v2/a/b/tags/list?last=x>;rel=next",
        "<?last=x>; rel=next",
        '<?last=x>; rel="prev next"',
        '<?last=x>; rel="next  prev"',
        '<?last=x>; REL="next"',
        "<?last=x>; rel=Next",
        '<?last=x>; rel\t= "NEXT"',
        '<?last=x>; title="a, b; <c>"; rel="next"',
        r'<?last=x>; title="a \" b"; rel="next"',
        '<?last=x>; rel="next";',
        "<?last=x>;; rel=next; title*=UTF-8''x",
        "<?last=x>; next; rel=next",
        '</first>; rel="first", <?last=x>; rel="next"',
        "</first>; rel=first,,<?last=x>;rel=next,",
        "</first>, <?last=x>; rel=next",
        "<?last=x#part>; rel=next",
        "<?last=x>; rel=next; rel=prev",
        "<https://r.example/v2/a/b/tags/list?last=x>; rel=next; type=text/html",
    ],
)
def test_the_next_page(field: str) -> None:
    assert next_page(answer(field)) == NEXT


def test_several_fields_are_one_list() -> None:
    assert next_page(answer("</first>; rel=first", "<?last=x>; rel=next")) == NEXT


@pytest.mark.parametrize(
    "field",
    [
        *("", ",", "</x>", "</x>; rel", "</x>; rel=", '</x>; rel=""'),
        *("</x>; rel=prev", '</x>; rel="nextfoo"', "</x>; rel=next-page", "</x>; rev=next"),
        *('</x>; title="rel=next"', "</x>; title=next", "</rel=next>; rel=prev"),
        *("</x>; rel=prev; rel=next", '</x>; rel=next; anchor="#part"'),
    ],
)
def test_no_next_page(field: str) -> None:
    assert next_page(answer(field)) is None


@pytest.mark.parametrize(
    "field",
    [
        *("/v2/x; rel=next", "</x; rel=next", "</x> rel=next", "</x>; rel=next oops", '</x>; rel="next'),
        *("</x>; rel=next, oops", "</x>; =next", "<" + "x" * 20_000 + ">; rel=next"),
    ],
)
def test_what_is_no_link_is_an_error(field: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        next_page(answer("</a>; rel=prev", field))


@pytest.mark.parametrize(
    "reference",
    [
        *(
            "http://[",
            "http://[::1/u",
            "https://r.example:abc/u",
            "https://r.example:0/u",
            "ftp://r.example/u",
        ),
        *("https://u:p@r.example/u", "https://@r.example/u", "//u@r.example/u", "mailto:x"),
        "https://r.example:99999/u",
    ],
)
def test_what_leads_nowhere_is_an_error(reference: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        target_of(answer(), reference)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("u1", "https://r.example/v2/a/b/tags/u1"),
        ("?s=1", "https://r.example/v2/a/b/tags/list?s=1"),
        ("/u?x=1#frag", "https://r.example/u?x=1"),
        ("../c", "https://r.example/v2/a/b/c"),
        ("//other/u", "https://other/u"),
        ("http://r.example:80/u", "http://r.example:80/u"),
    ],
)
def test_a_reference_is_relative_to_what_was_asked(reference: str, url: str) -> None:
    assert target_of(answer(), reference) == url


@given(st.text(alphabet='<>;,="\\ \trelnxt/', max_size=60))
def test_any_text_is_a_page_none_or_an_error(field: str) -> None:
    try:
        found = next_page(answer(field))
    except ValueError:
        return
    assert found is None or found.startswith("https://")
