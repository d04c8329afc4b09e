"""Signing configs made from URLs."""

from __future__ import annotations

from gocdnext_sdk.tools.sigstore import PUBLIC, hosts, signing_config, urls, without_log


def test_exactly_the_named_services_are_in_it() -> None:
    config = signing_config(rekor="https://rekor.example/", rekor_version=2)
    assert set(config) == {"mediaType", "rekorTlogUrls", "rekorTlogConfig", "tsaConfig"}
    (log,) = config["rekorTlogUrls"]
    assert (log["url"], log["majorApiVersion"]) == ("https://rekor.example", 2)
    assert config["rekorTlogConfig"] == {"selector": "ANY"}
    assert config["tsaConfig"] == {}


def test_the_log_can_be_taken_out() -> None:
    config = signing_config(fulcio="https://fulcio.example", rekor="https://rekor.example")
    stripped = without_log(config)
    assert stripped["rekorTlogUrls"] == []
    assert stripped["rekorTlogConfig"] == {}
    assert stripped["caUrls"] == config["caUrls"]
    assert config["rekorTlogUrls"], "the original is left alone"


def test_the_services_are_named_by_their_hosts() -> None:
    config = signing_config(
        fulcio="https://user:secret@fulcio.example/",
        rekor="http://localhost:3000",
        tsa="http://localhost:3000/t",
    )
    assert hosts(config) == ["fulcio.example", "localhost:3000"]
    assert hosts({"caUrls": [7, {"url": "not a url"}, {}], "tsaUrls": 7, "rekorTlogUrls": "abc"}) == []


def test_without_a_signing_config_the_public_services_sign() -> None:
    assert urls(None) == list(PUBLIC)
    assert urls(signing_config(tsa="https://tsa.example")) == ["https://tsa.example"]
