"""The runner profile's cache in a bucket, on an S3 server of one's own that has a host name."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import serving

from gocdnext_sdk.host.testing import PluginRunner, Result

FOLDER = Path(__file__).parents[2] / "plugins" / "buildx"

pytestmark = pytest.mark.soak


@contextlib.contextmanager
def s3(bucket: str) -> Iterator[str]:
    """Run a server with a bucket; give its URL. Nobody knows a `BUCKET.localhost`."""

    def argv(port: int) -> list[str]:
        return ["gofakes3", "-backend", "memory", "-host", f"127.0.0.1:{port}", "-initialbucket", bucket]

    with serving(argv, within=10) as port:
        yield f"http://localhost:{port}"


def test_what_one_job_built_the_next_one_finds_in_the_bucket_and_its_loss_is_told(
    run_plugin: PluginRunner, workspace: Path
) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
    (workspace / "content").write_text(secrets.token_hex())
    image = os.environ.get("BUILDKIT_IMAGE")
    with_ = {
        "image": "registry.example.com/team/app",
        "output": "dist/app",
        "platforms": "linux/amd64",
        "cache": "bucket",
        "driver-opts": "network=host",
    } | ({"buildkit-image": image} if image else {})

    def build(endpoint: str) -> Result:
        profile = {"GOCDNEXT_LAYER_CACHE_BUCKET": "layers", "GOCDNEXT_LAYER_CACHE_ENDPOINT": endpoint}
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": secrets.token_hex()}
        return run_plugin(FOLDER, with_, docker=True, env=profile, secrets=keys).passed()

    with s3("layers") as endpoint:
        first, second = build(endpoint), build(endpoint)
    # An image holds the time of its steps. BuildKit's log says CACHED only of what it need not fetch.
    assert second.outputs["DIGEST"] == first.outputs["DIGEST"]
    assert (first.warnings, second.warnings) == ((), ())
    lost = build(endpoint)
    assert lost.outputs["DIGEST"] != first.outputs["DIGEST"]
    assert [each.partition(": ")[0] for each in lost.warnings] == [
        "a cache could not be read",
        "a cache could not be written",
    ]
    assert all("connection refused" in each for each in lost.warnings)
    assert lost.warnings[-1] in lost.log.splitlines()[-1]
