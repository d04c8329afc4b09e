"""Keys in a KMS, with real servers: OpenBao behind `hashivault://`, local-kms behind `awskms://`.

What reaches a KMS is for cosign alone: no other tool sees it, and it is on no command line.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3
from testbed import tools
from tests.servers import contained, olareg, serving

from gocdnext_sdk.host.testing import PluginRunner
from gocdnext_sdk.runtime.polling import poll

pytestmark = pytest.mark.soak

PLUGINS = Path(__file__).parents[2] / "plugins"
VALIDATED = "https://github.com/klinux/gocdnext/validated/v1"
RIGHTS = """
path "transit/keys/cosign" { capabilities = ["read"] }
path "transit/sign/cosign/*" { capabilities = ["update"] }
path "transit/verify/cosign/*" { capabilities = ["update"] }
"""


@dataclass(frozen=True)
class Kms:
    """A KMS with one key.

    Args:
        key: its URI.
        environ: how it is reached, in the job.
        secrets: the credential, by its variable.
        may_refuse: whether it looks at credentials at all.
    """

    key: str
    environ: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    may_refuse: bool


Server = Callable[[], AbstractContextManager[Kms]]


@contextmanager
def openbao() -> Iterator[Kms]:
    """OpenBao with a key, and a token that may read it, sign and verify, and nothing else."""
    (folder,) = tools.get("bao")
    root = "root-token-of-the-test"
    os.environ["BAO_DEV_ROOT_TOKEN_ID"] = root

    def argv(port: int) -> list[str]:
        return [
            str(folder / "bao"),
            "server",
            "-dev",
            f"-dev-listen-address=127.0.0.1:{port}",
            "-dev-no-store-token",
        ]

    try:
        with serving(argv) as port, urllib3.PoolManager(headers={"X-Vault-Token": root}) as pool:
            url = f"http://127.0.0.1:{port}"

            def ask(method: str, path: str, **content: object) -> urllib3.BaseHTTPResponse:
                answer = pool.request(method, f"{url}/v1/{path}", json=content)
                assert answer.status in (200, 204), answer.data
                return answer

            def is_up() -> bool | None:
                return pool.request("GET", f"{url}/v1/sys/health").status == 200 or None

            assert poll(is_up, within=30, every=0.1)
            ask("POST", "sys/mounts/transit", type="transit")
            ask("POST", "transit/keys/cosign", type="ecdsa-p256")
            ask("PUT", "sys/policies/acl/signer", policy=RIGHTS)
            token = ask("POST", "auth/token/create", policies=["signer"], no_default_policy=True).json()
            secrets = {"VAULT_TOKEN": token["auth"]["client_token"]}
            yield Kms("hashivault://cosign", {"VAULT_ADDR": url}, secrets, may_refuse=True)
    finally:
        del os.environ["BAO_DEV_ROOT_TOKEN_ID"]


@contextmanager
def local_kms() -> Iterator[Kms]:
    """AWS' KMS with a key under an alias; it takes any credential."""
    (folder,) = tools.get("local-kms")
    with contained(folder / "local-kms", {"PORT": "8080", "KMS_REGION": "eu-west-1"}, 8080) as port:
        url = f"http://127.0.0.1:{port}"
        with urllib3.PoolManager(retries=urllib3.Retry(8, allowed_methods=None, backoff_factor=0.1)) as pool:

            def ask(action: str, **content: object) -> dict[str, dict[str, str]]:
                headers = {
                    "X-Amz-Target": f"TrentService.{action}",
                    "Content-Type": "application/x-amz-json-1.1",
                }
                scope = "20260101/eu-west-1/kms/aws4_request"
                headers["Authorization"] = (
                    f"AWS4-HMAC-SHA256 Credential=any/{scope}, SignedHeaders=host, Signature=a"
                )
                answer = pool.request("POST", url, body=json.dumps(content), headers=headers)
                assert answer.status == 200, answer.data
                return dict(json.loads(answer.data or b"{}"))

            made = ask("CreateKey", KeyUsage="SIGN_VERIFY", CustomerMasterKeySpec="ECC_NIST_P256")
            ask("CreateAlias", AliasName="alias/cosign", TargetKeyId=made["KeyMetadata"]["KeyId"])
        environ = {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIAOFTHETEST",
        }
        secrets = {"AWS_SECRET_ACCESS_KEY": "secret-access-key-of-the-test"}
        yield Kms("awskms:///alias/cosign", environ, secrets, may_refuse=False)


@dataclass(frozen=True)
class Watched:
    """Tools whose calls are written down: what they are called with, and what they see."""

    folder: Path

    def calls(self, tool: str) -> list[tuple[str, str]]:
        """Return command line and environment of each call."""
        found = sorted(self.folder.glob(f"{tool}.*.argv"))
        return [(each.read_text(), each.with_suffix(".env").read_text()) for each in found]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    folder = tmp_path / "watched"
    folder.mkdir()
    for name in ("cosign", "regctl"):
        real = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        script = folder / name
        lines = (
            *("#!/bin/sh", f"at={folder}/{name}.$$"),
            *('printf "%s\\n" "$@" > $at.argv', "env > $at.env", f'exec {real} "$@"'),
        )
        script.write_text("\n".join(lines))
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Watched(folder)


@pytest.mark.parametrize("server", [openbao, local_kms], ids=["hashivault", "awskms"])
def test_a_key_in_a_kms_signs_marks_and_verifies_and_only_cosign_reaches_it(
    server: Callable[[], AbstractContextManager[Kms]],
    run_plugin: PluginRunner,
    watched: Watched,
    tmp_path: Path,
) -> None:
    with server() as kms, olareg() as address:
        image = f"{address}/staging/app:v1"
        layer = tmp_path / "layer.tar"
        subprocess.run(["tar", "-cf", layer, "-T", "/dev/null"], check=True)
        subprocess.run(["crane", "append", "-f", layer, "-t", image], check=True, capture_output=True)

        signed = run_plugin(
            PLUGINS / "cosign",
            {"image": image, "key": kms.key, "tlog": "false"},
            env=kms.environ,
            secrets=kms.secrets,
        ).passed()
        promotion = {
            "source": image,
            "target": f"{address}/production/app",
            "verify-key": kms.key,
            "tlog": "false",
            "key": kms.key,
            "mark": "attestation",
            "receipt": "true",
        }
        promoted = run_plugin(
            PLUGINS / "docker-push", promotion, env=kms.environ, secrets=kms.secrets
        ).passed()

        # Anybody who has the public key can verify both.
        environ = {**os.environ, **kms.environ, **kms.secrets, "TUF_ROOT": str(tmp_path / "tuf")}
        public = subprocess.run(
            ["cosign", "public-key", "--key", kms.key], env=environ, capture_output=True, check=True
        )
        (tmp_path / "kms.pub").write_bytes(public.stdout)
        trust = ("--insecure-ignore-tlog", "--key", str(tmp_path / "kms.pub"))
        there = promoted.outputs["REFERENCE"]
        for words in (["verify"], ["verify-attestation", "--type", VALIDATED]):
            subprocess.run(["cosign", *words, *trust, there], env=environ, check=True, capture_output=True)

        ((variable, secret),) = kms.secrets.items()
        assert watched.calls("regctl")
        assert len(watched.calls("cosign")) > 4
        for argv, seen in watched.calls("regctl"):
            assert secret not in argv
            assert not any(line.startswith(("VAULT_", "AWS_")) for line in seen.splitlines())
        assert all(secret not in argv for argv, _ in watched.calls("cosign"))
        assert secret not in signed.log + promoted.log
        assert signed.leaks == promoted.leaks == ()

        wrong = {variable: "expired-credential-of-the-test"}
        again = run_plugin(
            PLUGINS / "cosign",
            {"image": image, "key": kms.key, "tlog": "false"},
            env=kms.environ,
            secrets=wrong,
        )
        if kms.may_refuse:
            again.exited(3)
            assert "permission denied" in again.log
        assert "expired-credential-of-the-test" not in again.log
        gone = run_plugin(
            PLUGINS / "cosign",
            {"image": image, "key": f"{kms.key}-gone", "tlog": "false"},
            env=kms.environ,
            secrets=kms.secrets,
        )
        gone.exited(3)
