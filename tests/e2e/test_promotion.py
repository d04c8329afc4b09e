"""What is promoted, and under which demands: docker-push with the real regctl, cosign and registries."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from testbed import tools
from tests.servers import olareg

from gocdnext_sdk.host.testing.result import Result
from gocdnext_sdk.host.testing.run import PluginRunner
from gocdnext_sdk.tools.sigstore import signing_config

FOLDER = Path(__file__).parents[2] / "plugins" / "docker-push"
COSIGN = FOLDER.parent / "cosign"
VALIDATED = "https://github.com/klinux/gocdnext/validated/v1"


@dataclass(frozen=True)
class Stage:
    """A registry without a login, with an index of two platforms in it, and a checkout."""

    address: str
    run_plugin: PluginRunner
    scratch: Path

    @property
    def source(self) -> str:
        return f"{self.address}/staging/app"

    @property
    def target(self) -> str:
        return f"{self.address}/public/app"

    def crane(self, *argv: str) -> str:
        done = subprocess.run(["crane", *argv], stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    def digest(self, reference: str) -> str:
        return self.crane("digest", reference)

    def push(self, secrets: dict[str, str] | None = None, **inputs: str) -> Result:
        with_ = {"source": f"{self.source}:v1", "target": self.target} | {
            key.replace("_", "-"): value for key, value in inputs.items()
        }
        return self.run_plugin(FOLDER, with_, secrets=secrets)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with olareg("--api-delete") as address:
        yield address


@pytest.fixture
def stage(address: str, run_plugin: PluginRunner, tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    stage = Stage(address, run_plugin, tmp_path)
    for architecture in ("amd64", "arm64"):
        image = f"{stage.source}:{architecture}"
        stage.crane("append", "-f", layer(f"{architecture} {request.node.name}", tmp_path), "-t", image)
        stage.crane("mutate", image, "--set-platform", f"linux/{architecture}", "-t", image)
    children = [word for each in ("amd64", "arm64") for word in ("-m", f"{stage.source}:{each}")]
    stage.crane("index", "append", *children, "-t", f"{stage.source}:v1")
    return stage


def layer(content: str, folder: Path) -> str:
    """Write a layer with a file of that content."""
    path = folder / "layer.tar"
    entry = tarfile.TarInfo("file")
    entry.size = len(content)
    with tarfile.open(path, "w") as archive:
        archive.addfile(entry, io.BytesIO(content.encode()))
    return str(path)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of keys, `a` and `b`, and a signing configuration without services."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("a", "b"):
        subprocess.run(
            ["cosign", "generate-key-pair", "--output-key-prefix", name],
            cwd=folder,
            env={**os.environ, "COSIGN_PASSWORD": ""},
            check=True,
        )
    (folder / "services.json").write_text(json.dumps(signing_config()))
    return folder


def cosign(keys: Path, *argv: str) -> None:
    config = ("--signing-config", str(keys / "services.json"))
    command, *rest = argv
    subprocess.run(
        ["cosign", command, "--yes", *config, *rest],
        env={**os.environ, "COSIGN_PASSWORD": "", "TUF_ROOT": str(keys / "tuf")},
        check=True,
    )


def vuln(keys: Path, hours: float) -> str:
    """A statement of a scan that ended so many hours ago."""
    end = f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
    path = keys / "vuln.json"
    scanner = {"uri": "trivy", "version": "1", "db": {"uri": "", "version": ""}, "result": {}}
    metadata = {"scanStartedOn": end, "scanFinishedOn": end}
    path.write_text(json.dumps({"invocation": {}, "scanner": scanner, "metadata": metadata}))
    return str(path)


def test_only_what_is_scanned_lately_and_signed_by_all_is_promoted(
    stage: Stage, keys: Path, workspace: Path
) -> None:
    image = f"{stage.source}@{stage.digest(f'{stage.source}:v1')}"
    (workspace / "b.pub").write_text((keys / "b.pub").read_text())
    demands = {
        "verify_key": (keys / "a.pub").read_text(),
        "tlog": "false",
        "require_attestation": "vuln<24h",
        "require_signature": "b.pub",
        "target": f"{stage.address}/gated/app",
    }
    cosign(
        keys, "attest", "--key", str(keys / "a.key"), "--type", "vuln", "--predicate", vuln(keys, 30), image
    )
    refused = stage.push(**demands).exited(1)
    reasons = [each for each in refused.warnings if each.startswith("not met: ")]
    assert len(reasons) == 3  # all at once
    assert "no signature of the key" in reasons[0]
    assert "vuln<24h is demanded" in reasons[1]
    assert "no signature of b.pub" in reasons[2]
    cosign(keys, "sign", "--key", str(keys / "a.key"), image)
    cosign(
        keys, "attest", "--key", str(keys / "a.key"), "--type", "vuln", "--predicate", vuln(keys, 1), image
    )
    cosign(keys, "sign", "--key", str(keys / "b.key"), image)
    stage.push(**demands).passed()
    assert stage.crane("ls", f"{stage.address}/gated/app")


@pytest.mark.parametrize("action", ["push", "index"])
def test_the_demands_on_all_images_are_checked_before_any_is_copied(
    stage: Stage, keys: Path, action: str
) -> None:
    signed, unsigned = (f"{stage.source}:{each}" for each in ("amd64", "arm64"))
    cosign(keys, "sign", "--key", str(keys / "a.key"), f"{stage.source}@{stage.digest(signed)}")
    target = f"{stage.address}/together-{action}/app"
    images = {
        "push": {"source": signed, "also": f"{unsigned}={target}-arm"},
        "index": {"source": "", "sources": f"{signed} {unsigned}"},
    }
    demands = {"verify_key": (keys / "a.pub").read_text(), "tlog": "false", "target": target}
    refused = stage.push(action=action, **images[action], **demands).exited(1)
    with pytest.raises(subprocess.CalledProcessError):
        stage.crane("manifest", f"{target}@{stage.digest(signed)}")
    assert f"{stage.source}@{stage.digest(unsigned)} is not promoted" in refused.errors[0]


def test_a_provenance_that_the_cosign_plugin_makes_has_an_age(
    stage: Stage, keys: Path, run_plugin: PluginRunner
) -> None:
    image = f"{stage.source}@{stage.digest(f'{stage.source}:v1')}"
    made = {
        "image": image,
        "action": "attest",
        "predicate-type": "slsaprovenance1",
        "key-content": (keys / "a.key").read_text(),
        "tlog": "false",
    }
    run_plugin(COSIGN, made, env={"CI_RUN_ID": "7"}).passed()
    again = run_plugin(COSIGN, made, env={"CI_RUN_ID": "7"}).passed()
    assert f"{image} is attested (slsaprovenance1) already" in again.log
    cosign(keys, "sign", "--key", str(keys / "a.key"), image)
    demands = {
        "verify_key": (keys / "a.pub").read_text(),
        "tlog": "false",
        "target": f"{stage.address}/built/app",
    }
    refused = stage.push(**demands, require_attestation="slsaprovenance1<1s").exited(1)
    assert "slsaprovenance1<1s is demanded" in refused.errors[0]
    stage.push(**demands, require_attestation="slsaprovenance1<30d").passed()


RULES = {
    "vuln.cue": 'predicateType: "https://cosign.sigstore.dev/attestation/vuln/v1"\n'
    'predicate: scanner: uri: "SCANNER"\n',
    "vuln.rego": "package signature\nimport rego.v1\ndefault allow := false\n"
    'allow if input.predicate.scanner.uri == "SCANNER"\n',
}


@pytest.mark.parametrize("name", ["vuln.cue", pytest.param("vuln.rego", marks=pytest.mark.soak)])
def test_an_attestation_must_satisfy_the_rules_that_stand_behind_it(
    stage: Stage, keys: Path, workspace: Path, name: str
) -> None:
    image = f"{stage.source}@{stage.digest(f'{stage.source}:v1')}"
    signed = ("--key", str(keys / "a.key"))
    cosign(keys, "sign", *signed, image)
    cosign(keys, "attest", *signed, "--type", "vuln", "--predicate", vuln(keys, 1), image)
    demands = {
        "verify_key": (keys / "a.pub").read_text(),
        "tlog": "false",
        "require_attestation": f"vuln<24h {name}",
        "target": f"{stage.address}/ruled/app",
    }
    assert "with.require-attestation" in stage.push(**demands).exited(2).errors[0]
    (workspace / name).write_text(RULES[name].replace("SCANNER", "another"))
    refused = stage.push(**demands).exited(1)
    (reason,) = [each for each in refused.warnings if each.startswith("not met: ")]
    assert f"the attestation vuln breaks {name}: " in reason
    (workspace / name).write_text(RULES[name].replace("SCANNER", "trivy"))
    stage.push(**demands).passed()
    (workspace / name).write_text("no rule {")
    stage.push(**demands).exited(1)


def test_an_index_counts_as_attested_if_each_of_its_platforms_is(stage: Stage, keys: Path) -> None:
    image = f"{stage.source}@{stage.digest(f'{stage.source}:v1')}"
    signed = ("--key", str(keys / "a.key"))
    cosign(keys, "sign", *signed, image)
    demands = {
        "verify_key": (keys / "a.pub").read_text(),
        "tlog": "false",
        "require_attestation": "vuln<24h",
        "target": f"{stage.address}/platforms/app",
    }
    arm, amd = (f"{stage.source}@{stage.digest(f'{stage.source}:{each}')}" for each in ("arm64", "amd64"))
    cosign(keys, "attest", *signed, "--type", "vuln", "--predicate", vuln(keys, 1), arm)
    (reason,) = [each for each in stage.push(**demands).exited(1).warnings if each.startswith("not met: ")]
    assert reason.startswith("not met: linux/amd64: there is no attestation vuln")
    cosign(keys, "attest", *signed, "--type", "vuln", "--predicate", vuln(keys, 1), amd)
    stage.push(**demands).passed()


def test_a_mark_says_that_the_demands_were_met_and_is_one_itself(stage: Stage, keys: Path) -> None:
    """Staging is marked by the key `b`; production takes what is marked, and nothing else."""
    image = f"{stage.source}@{stage.digest(f'{stage.source}:v1')}"
    staging, production = (f"{stage.address}/{name}/app" for name in ("marked", "production"))
    demands = {"verify_key": (keys / "a.pub").read_text(), "tlog": "false", "target": staging}
    key = (keys / "b.key").read_text()
    marks = {"mark": "attestation", "receipt": "true", "key_content": key}
    stage.push(**demands, **marks).exited(1)  # nothing is signed, so nothing is marked
    with pytest.raises(subprocess.CalledProcessError):
        stage.digest(f"{staging}:latest")
    cosign(keys, "sign", "--key", str(keys / "a.key"), image)
    stage.push(**demands, **marks, key_password="not that key's").exited(2)  # before a tag moves
    with pytest.raises(subprocess.CalledProcessError):
        stage.digest(f"{staging}:latest")
    done = stage.push(**demands, **marks).passed()
    marked = f"{staging}@{done.outputs['DIGEST']}"
    assert f"marked {marked} with attestation" in done.log
    assert {"timestamp", "source", "demands", "run"} == set(attested(keys, "b.pub", VALIDATED, marked))
    with pytest.raises(subprocess.CalledProcessError):  # a bundle, as the README says
        attested(keys, "b.pub", VALIDATED, marked, "cosign-2")

    onward = {"source": f"{staging}:latest", "target": production, "tlog": "false", "tags": "v1"}
    by_a, by_b = ({"verify_key": (keys / f"{name}.pub").read_text()} for name in "ab")
    refused = stage.push(**onward, **by_a, require="attestation<1h").exited(1)
    assert any("not met: there is no attestation" in each for each in refused.warnings)
    cosign(keys, "sign", "--key", str(keys / "b.key"), marked)
    stage.push(**onward, **by_b, require="attestation<1h").passed()

    # The receipt is signed by the same key, and a rollback can demand that.
    back = {"source": "", "target": staging, "action": "rollback", "tlog": "false"}
    receipt = done.outputs["RECEIPT"]
    stage.push(**back, **by_a, previous=receipt).exited(1)
    assert stage.digest(f"{staging}:latest") == done.outputs["DIGEST"]
    stage.push(**back, **by_b, previous=receipt).passed()
    assert "latest" not in stage.crane("ls", staging).split()


def attested(keys: Path, key: str, kind: str, image: str, tool: str = "cosign") -> dict[str, object]:
    """Return what cosign itself verifies of an image."""
    trust = ("--insecure-ignore-tlog", "--key", str(keys / key))
    done = subprocess.run(
        [tool, "verify-attestation", "--type", kind, *trust, image],
        env={**os.environ, "TUF_ROOT": str(keys / "tuf")},
        stdout=subprocess.PIPE,
        check=True,
    )
    predicate = json.loads(base64.b64decode(json.loads(done.stdout)["payload"]))["predicate"]
    assert isinstance(predicate, dict)
    return predicate


def test_a_receipt_tells_of_the_promotion_and_is_the_way_back(stage: Stage) -> None:
    target = f"{stage.address}/receipts/app"
    old = stage.push(source=f"{stage.source}:arm64", target=target, tags="live").passed().outputs["DIGEST"]
    done = stage.push(target=target, tags="live v2", receipt="true").passed()
    receipt = done.outputs["RECEIPT"]
    manifest = json.loads(stage.crane("manifest", receipt))
    assert manifest["subject"]["digest"] == done.outputs["DIGEST"]
    content = json.loads(stage.crane("blob", f"{target}@{manifest['layers'][0]['digest']}"))
    assert content["previous"] == {f"{target}:live": old, f"{target}:v2": None}
    assert content["source"] == done.outputs["SOURCE"]
    for way in (receipt, done.outputs["PREVIOUS"]):
        stage.push(source="", target=target, action="rollback", previous=way).passed()
        assert stage.digest(f"{target}:live") == old
        assert "v2" not in stage.crane("ls", target).split()
        stage.push(target=target, tags="live v2").passed()
    stage.push(source="", target=f"{target}x", action="rollback", previous=receipt).exited(2)
    stage.push(source="", target=f"{target}x", action="rollback", previous=done.outputs["PREVIOUS"]).exited(2)
    lost = f"{target}:live=sha256:{'0' * 64}"
    stage.push(source="", target=target, action="rollback", previous=lost).exited(3)
    assert stage.digest(f"{target}:live") == done.outputs["DIGEST"]


@pytest.mark.soak
@pytest.mark.parametrize("has_api", [True, False])
def test_oras_discovers_the_receipt_and_pulls_it(stage: Stage, has_api: bool) -> None:
    (folder,) = tools.get("oras")
    with olareg(f"--api-referrer={str(has_api).lower()}") as address:
        target = f"{address}/discovered/app"
        stage.push(target=target, tags="live", receipt="true").passed()
        discover = [str(folder / "oras"), "discover", "--plain-http", "--format", "json", f"{target}:live"]
        found = json.loads(subprocess.run(discover, stdout=subprocess.PIPE, check=True).stdout)
        (artifact,) = found["referrers"]
        assert artifact["artifactType"] == "application/vnd.gocdnext.promotion.v1+json"
        pull = [str(folder / "oras"), "pull", "--plain-http", artifact["reference"]]
        subprocess.run(pull, cwd=stage.scratch, stdout=subprocess.DEVNULL, check=True)
        assert json.loads((stage.scratch / "receipt.json").read_text())["target"] == target


def test_some_platforms_are_published_as_an_index_of_them(stage: Stage) -> None:
    result = stage.push(platforms="linux/arm64", tags="slim").passed()
    index = json.loads(stage.crane("manifest", f"{stage.target}:slim"))
    assert [each["digest"] for each in index["manifests"]] == [stage.digest(f"{stage.source}:arm64")]
    assert result.outputs["DIGEST"] == stage.digest(f"{stage.target}:slim")
    stage.crane("validate", "--remote", f"{stage.target}:slim")
    assert "linux/amd64, linux/arm64" in stage.push(platforms="linux/s390x").exited(2).errors[0]
    stage.push(platforms="linux/arm64", source=f"{stage.source}:arm64").exited(2)


def test_all_tags_of_a_digest_go_along_and_no_other(stage: Stage) -> None:
    for tag in ("v1.2", "v1.2.3", "stable"):
        stage.crane("copy", f"{stage.source}:v1", f"{stage.source}:{tag}")
    result = stage.push(all_tags="v1*", target=f"{stage.address}/other/app").passed()
    assert set(stage.crane("ls", f"{stage.address}/other/app").split()) == {"v1", "v1.2", "v1.2.3"}
    assert set(result.outputs["TAGS"].split(",")) == {"v1", "v1.2", "v1.2.3"}
    assert stage.push(all_tags="w*", target=f"{stage.address}/none/app").exited(2)
