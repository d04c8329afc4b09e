"""`RUN --mount` as BuildKit reads it."""

from __future__ import annotations

import pytest

from gocdnext_sdk.tools.dockerfile import parse
from gocdnext_sdk.tools.dockerfile_mounts import Mount


def only(flag: str) -> Mount:
    (run,) = parse(f"RUN --mount={flag} x").instructions
    ((_, value),) = run.flags
    return Mount.parse(value or "")


@pytest.mark.parametrize(
    ("flag", "mount"),
    [
        ("target=/x", Mount("bind", target="/x")),
        ("Type=SSH", Mount("ssh")),
        ("From=quay.io/a/b,TARGET=/x", Mount("bind", from_="quay.io/a/b", target="/x")),
        ("""'"type=bind","from=a,b"',target=/x""", Mount("bind", from_="a,b", target="/x")),
        ("type=cache,destination=/c,ro", Mount("cache", target="/c")),
        ("type=secret,src=npm,dst=/y", Mount("secret", source="npm", target="/y")),
        ("type=secret,ID=npm,required", Mount("secret", id="npm", required=True)),
        ("type=secret,id=npm,Required=T", Mount("secret", id="npm", required=True)),
        ("type=secret,id=npm,required=0,env=NPM", Mount("secret", id="npm")),
        ("type=secret,id=a,required=$X", Mount("secret", id="a", required=True)),
        ("type=$X,target=/x,required", Mount("$X", target="/x", required=True)),
        ("target=/a,target=/b", Mount("bind", target="/b")),
    ],
)
def test_keys_and_types_fold_and_the_last_one_wins(flag: str, mount: Mount) -> None:
    assert only(flag) == mount


@pytest.mark.parametrize(
    ("flag", "wrong"),
    [
        ("type=bin,target=/x", '"bin"'),
        ("tagret=/x", '"tagret"'),
        (" type=ssh", "unknown"),
        ("type=secret,id=npm,required=yes", '"yes"'),
        ("type=secret,id=npm,required=", "required"),
        ("target=/x,rw=on", '"on"'),
        ("target=/x,required", "required"),
        ("required,type=secret,id=x", "required"),
        ("type=secret,id", '"id"'),
        ("type=ssh,", "value"),
        ("""target=/x,from='"a"'""", "quote"),
        ("from=$X,target=/x", "variable"),
        ("", "empty"),
        ("type=secret", "id"),
        ("type=secret,id=x,from=y", "from"),
        ("type=secret,id=x,src=y", "source"),
    ],
)
def test_what_buildkit_refuses_is_refused(flag: str, wrong: str) -> None:
    flag = f"'{flag}'" if flag.startswith(" ") else flag
    with pytest.raises(ValueError, match=wrong):
        only(flag)
