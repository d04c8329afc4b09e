"""Adapter for regctl 0.11: configuration, copying images and the artifacts attached to them.

The commands and formats are those of regctl 0.11.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gocdnext_sdk.errors import doing
from gocdnext_sdk.oci.credentials import Credential
from gocdnext_sdk.oci.reference import Reference, Registry
from gocdnext_sdk.runtime.tool import Tool
from gocdnext_sdk.secret import Secret

CONFIG_VARIABLE = "REGCTL_CONFIG"
"""Names the file from which regctl reads `configuration`."""


@dataclass(frozen=True)
class Host:
    """A registry in regctl's configuration.

    Args:
        registry: its host.
        credential: the login there.
        speaks_tls: whether it is spoken to in TLS; regctl tries nothing else by itself.
    """

    registry: Registry
    credential: Credential | None = None
    speaks_tls: bool = True


def configuration(hosts: Mapping[str, Host]) -> Secret:
    """Return a configuration with exactly these hosts and logins.

    Args:
        hosts: by the name that references use. One registry can have two names, to be read with one login
            and written with another.
    """
    return Secret(json.dumps({"incDockerCred": False, "hosts": dict(_hosts(hosts))}))


def _hosts(hosts: Mapping[str, Host]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for name, host in hosts.items():
        tls = "enabled" if host.speaks_tls else "disabled"
        yield name, {"hostname": host.registry.api_host, "tls": tls, **_login(host.credential)}


def _login(credential: Credential | None) -> Mapping[str, str]:
    """Return a login's fields; regctl exchanges an identity token itself, and knows no registry token."""
    if credential is None:
        return {}
    if credential.identity_token:
        return {"token": credential.identity_token.reveal()}
    return {"user": credential.username, "pass": credential.password.reveal()}


@dataclass(frozen=True)
class Regctl:
    """The commands of regctl that plugins use.

    Args:
        tool: regctl, with its configuration.
    """

    tool: Tool

    @contextmanager
    def copying(self, source: str, target: Reference, *, digest_tags: bool) -> Iterator[None]:
        """Copy an image with all that belongs to it, while the block runs; what is there already is skipped.

        That is every platform, and every signature, attestation and SBOM of the image and of its children,
        whether they are referrers or have a `sha256-….sig` tag.

        Args:
            source: where it is, with its digest: a reference, or `layout`.
            target: with a tag or a digest; with a digest, no tag is written.
            digest_tags: whether to look for tags such as `sha256-….sig`. Regctl lists all tags for it, and
                fails where a registry has no list for a repository without tags.
        """
        argv = ("image", "copy", *_belonging(digest_tags=digest_tags), source, target)
        with doing(f"copying {source} to {target}"), self.tool.running(*argv):
            yield

    def mend(self, source: str, target: Reference, *, digest_tags: bool) -> None:
        """Copy as `copying`, but send every manifest again, so that the registry links all referrers anew."""
        argv = ("image", "copy", *_belonging(digest_tags=digest_tags), "--force-recursive", source, target)
        with doing(f"copying {source} to {target}"):
            self.tool.run(*argv)

    def attached(self, image: str) -> frozenset[str]:
        """Return what belongs to an image in files, as `oci.attached` says it of one in a registry.

        Args:
            image: `layout`, with its digest.
        """
        argv = ("artifact", "tree", "--digest-tags", "--format", "{{json .}}", image)
        with doing(f"looking for what is attached to {image}"):
            done = self.tool.capture(*argv, assumed=b"{}")
        return frozenset(_referrers(json.loads(done.stdout)))

    def delete_tag(self, tag: Reference) -> bool:
        """Delete a tag, but no other tag on its digest. Return whether the registry allowed it.

        Where a registry has no way to delete a tag, regctl moves it to an empty manifest and deletes that.
        """
        with doing(f"deleting {tag}"):
            return self.tool.run("tag", "delete", tag, ok=(0, 1)).exit_code == 0

    def load(self, archive: Path, name: str | None, folder: Path) -> None:
        """Unpack an archive, of an OCI image layout or of `docker save`, into a layout.

        Args:
            archive: the file.
            name: which one of several images in it.
            folder: where the layout goes; the image gets the name `image` there.
        """
        wanted = ("--name", name) if name else ()
        with doing(f"reading {archive}"):
            self.tool.run("image", "import", *wanted, f"{layout(folder)}:image", archive)

    def compress(self, folder: Path) -> None:
        """Compress the layers of `image` in a layout; the older store's `docker save` does not."""
        self.tool.run("image", "mod", "--replace", "--layer-compress", "gzip", f"{layout(folder)}:image")


def _belonging(*, digest_tags: bool) -> tuple[str, ...]:
    return ("--referrers", "--digest-tags") if digest_tags else ("--referrers",)


def layout(folder: Path) -> str:
    """Return regctl's name for an OCI image layout in `folder`."""
    return f"ocidir://{folder}"


def _referrers(node: Mapping[str, Any]) -> Iterator[str]:
    for referrer in node.get("referrer", ()):
        reference = referrer["reference"]
        yield reference["Tag"] or reference["Digest"]
        yield from _referrers(referrer)
    for child in node.get("child", ()):
        yield from _referrers(child)
