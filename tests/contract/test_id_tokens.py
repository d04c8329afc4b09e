"""What the platform says in a job's identity token."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.identities import JOB

from gocdnext_sdk.contract.id_tokens import Identity, claims

RELEASE = replace(JOB, run_counter="7")


def payload(identity: Identity, *audiences: str) -> dict[str, object]:
    return claims(
        identity, issuer="https://ci.example.com", audiences=audiences, now=1_000_000, token_id="id-1"
    )


def test_a_token_says_who_runs_where_and_for_whom() -> None:
    # As a real server's token said it, in another order.
    assert payload(RELEASE, "sigstore") == {
        "aud": "sigstore",
        "cause": "webhook",
        "exp": 1_003_600,
        "iat": 1_000_000,
        "iss": "https://ci.example.com",
        "job": "sign",
        "jti": "id-1",
        "nbf": 999_940,
        "pipeline": "release",
        "pipeline_id": "pipeline-1",
        "project_id": "project-1",
        "project_slug": "shop",
        "ref": "main",
        "ref_type": "branch",
        "run_counter": "7",
        "run_id": "run-1",
        "sha": "a" * 40,
        "sub": "project:shop:pipeline:release:ref_type:branch:ref:main",
    }


def test_several_audiences_are_a_list() -> None:
    assert payload(RELEASE, "sigstore", "vault")["aud"] == ["sigstore", "vault"]


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        (
            {"cause": "tag", "ref_type": "tag", "ref": "v1"},
            "project:shop:pipeline:release:ref_type:tag:ref:v1",
        ),
        ({"cause": "pull_request", "pr_number": "3"}, "project:shop:pipeline:release:pull_request"),
        ({"ref_type": "", "ref": ""}, "project:shop:pipeline:release:ref_type:none:ref:none"),
        ({"pipeline": "a:b%c"}, "project:shop:pipeline:a%3Ab%25c:ref_type:branch:ref:main"),
    ],
)
def test_the_subject_tells_branches_tags_and_pull_requests_apart(
    changes: dict[str, str], subject: str
) -> None:
    assert replace(RELEASE, **changes).subject == subject


def test_what_is_not_known_is_left_out_not_empty() -> None:
    nowhere = payload(replace(RELEASE, ref_type="", ref="", sha=""), "sigstore")
    assert nowhere["ref_type"] == "none"
    assert not {"ref", "sha", "matrix_key", "pr_number"} & nowhere.keys()


def test_a_cell_of_a_matrix_and_a_pull_request_are_named() -> None:
    stated = payload(replace(RELEASE, matrix_key="GO=1.25", cause="pull_request", pr_number="3"), "sigstore")
    assert (stated["matrix_key"], stated["pr_number"]) == ("GO=1.25", "3")
