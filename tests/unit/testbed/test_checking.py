"""What the outside world says of a pinned image: a registry in memory stands for it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from testbed import checking
from testbed.cache import SetupError
from testbed.pins import Pin, pins

from gocdnext_sdk import RegistryClient
from gocdnext_sdk.host.testing.fake_registry import FakeNetwork, FakeRegistry
from gocdnext_sdk.oci.credentials import Credentials

SIGNED = ("trivy", "cosign", "kaniko", "regctl")
OTHER = f"sha256:{'5' * 64}"


@dataclass
class World:
    """A registry with one image, and the pin of it."""

    registry: FakeRegistry
    client: RegistryClient
    pin: Pin

    def found(self, verifier: checking.Verifier = lambda _: "") -> list[str]:
        return list(checking.problems(self.pin, self.client, verifier))


@pytest.fixture
def world() -> World:
    registry = FakeRegistry("ghcr.io")
    digest = push(registry, "linux/amd64", "linux/arm64", "linux/s390x")
    network = FakeNetwork({"ghcr.io": registry, registry.token_host: registry.token})
    pin = Pin("tool", "1.0.0", f"ghcr.io/team/tool:1.0.0@{digest}")
    return World(registry, RegistryClient(Credentials([]), transport=network), pin)


def push(registry: FakeRegistry, *platforms: str) -> str:
    entries = []
    for each in platforms:
        system, architecture = each.split("/")
        image = registry.push("team/tool", {"layers": [], "annotations": {"for": each}})
        entries.append(
            {
                "digest": image.digest,
                "mediaType": image.media_type,
                "size": image.size,
                "platform": {"os": system, "architecture": architecture},
            }
        )
    return registry.push("team/tool:1.0.0", {"manifests": entries}).digest


def test_what_is_as_pinned_is_right(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.found() == []
    checking.check([world.pin], world.client, lambda _: "")
    assert f"ok      {world.pin.image}" in capsys.readouterr().err


def test_a_tag_that_has_moved_is_told_with_its_digest(world: World) -> None:
    moved = push(world.registry, "linux/amd64", "linux/arm64")
    (problem,) = world.found()
    assert moved in problem


def test_a_tag_that_moves_does_not_hide_what_the_digest_lacks(world: World) -> None:
    world.pin = replace(world.pin, image=f"ghcr.io/team/tool:1.0.0@{push(world.registry, 'linux/amd64')}")
    push(world.registry, "linux/amd64", "linux/arm64")
    assert len(world.found()) == 2


@pytest.mark.parametrize("there", [("linux/amd64",), ("linux/arm64", "windows/amd64")])
def test_a_platform_that_is_published_and_missing_is_told(world: World, there: tuple[str, ...]) -> None:
    world.pin = replace(world.pin, image=f"ghcr.io/team/tool:1.0.0@{push(world.registry, *there)}")
    (missing,) = {"linux/amd64", "linux/arm64"} - set(there)
    (problem,) = world.found()
    assert problem.endswith(missing)


def test_a_single_image_is_told(world: World) -> None:
    single = world.registry.push("team/tool:1.0.0", {"layers": []}).digest
    world.pin = replace(world.pin, image=f"ghcr.io/team/tool:1.0.0@{single}")
    (problem,) = world.found()
    assert "not of an index" in problem


def test_a_platform_that_only_the_index_names_is_told(world: World) -> None:
    index = world.client.platforms(world.registry.reference("team/tool:1.0.0"))
    (lost,) = (each.digest for each in index if str(each.platform) == "linux/arm64")
    del world.registry.manifests["team/tool", lost]
    (problem,) = world.found()
    assert "linux/arm64" in problem


def test_a_digest_that_the_registry_lost_is_told(world: World) -> None:
    world.pin = replace(world.pin, image=f"ghcr.io/team/tool:1.0.0@{OTHER}")
    assert any(OTHER in problem for problem in world.found())


def test_a_host_out_of_reach_is_said_and_the_others_are_checked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    far = Pin("far", "1.0.0", f"docker.io/team/far:1.0.0@{OTHER}")
    with pytest.raises(SetupError, match=r": far$"):
        checking.check([far, world.pin], world.client, lambda _: "")
    said = capsys.readouterr().err
    assert "docker.io cannot be reached" in said
    assert f"ok      {world.pin.image}" in said


def test_a_signature_that_does_not_verify_is_told(world: World) -> None:
    assert world.found(lambda _: "no matching signatures") == []
    world.pin = replace(world.pin, signer="^somebody$", issuer="https://issuer")
    assert world.found(lambda _: "no matching signatures") == ["no matching signatures"]


def test_the_projects_that_sign_are_asked_for_their_signature() -> None:
    assert {name for name, pin in pins().items() if pin.signer} == set(SIGNED)
    assert all(pins()[name].issuer.startswith("https://") for name in SIGNED)
    assert all(pins()[name].signer.startswith("^") for name in SIGNED)


@pytest.mark.parametrize(
    ("code", "found", "problem"),
    [
        (0, "https://sigstore.dev/cosign/sign/v1", ""),
        (0, "https://slsa.dev/provenance/v1", "attestations by this signer, but no signature"),
        (10, "", "no matching signatures"),
        (1, "", "could not verify"),
    ],
)
def test_cosign_is_told_whom_to_expect_and_has_to_find_a_signature(
    tmp_path: Path, code: int, found: str, problem: str
) -> None:
    """What it makes of that is tested with a Sigstore of our own, in tests/e2e/test_keyless.py."""
    told, cosign = tmp_path / "told", tmp_path / "cosign"
    words = "no matching signatures" if code == 10 else "no such host"
    signature = json.dumps([{"critical": {"type": found}}])
    cosign.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(told)!r}, 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        "if '--new-bundle-format=false' in sys.argv: sys.exit(10)\n"
        f"print({signature!r})\nsys.exit({code} and (print('Error: {words}', file=sys.stderr) or {code}))\n"
    )
    cosign.chmod(0o755)
    pin = pins()["kaniko"]
    said = checking.unverified(str(cosign), checking.signer(pin), pin.image)
    assert problem in said
    assert bool(said) == bool(problem)
    words = told.read_text().splitlines()[0]
    for each in (f"^(?:{pin.signer})$", pin.issuer, pin.image):
        assert repr(each) in words


def test_make_knows_the_command() -> None:
    said = subprocess.run(["make", "--dry-run", "check-pins"], capture_output=True, text=True, check=True)
    assert "testbed check-pins" in said.stdout
