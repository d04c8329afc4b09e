"""The `with:` map of trivy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import unquote

from pydantic import WithJsonSchema

from gocdnext_sdk import (
    Always,
    Boolean,
    Credential,
    Credentials,
    Duration,
    Input,
    Items,
    OnlyWith,
    Pairs,
    Problem,
    Reference,
    References,
    Registry,
    RegistryLoginInputs,
    RequiredIf,
    RequiredTogether,
    Secret,
    Words,
    WorkspacePath,
    in_workspace,
    one_of,
)
from gocdnext_sdk.inputs.registry_login import Password, UserName
from gocdnext_sdk.oci.source import Source

from .configuration import CONFIGURATION, text_of
from .globs import Globs
from .judging_inputs import JudgingInputs
from .report_inputs import ReportInputs

if TYPE_CHECKING:
    from gocdnext_sdk.tools.dockerfile_images import Base

PACKAGES = ("image", "dockerfile", "fs", "repo", "rootfs", "sbom")
"""The scan types that look for packages, and so for vulnerabilities."""

FILES = ("image", "dockerfile", "fs", "repo", "rootfs", "config")
"""The scan types that read files."""

IMAGES = ("image", "dockerfile")
"""The scan types whose layers are worth keeping: another image may have them too."""

CACHE = ".cache/trivy"
"""Where the databases are if nothing else is said; the platform keeps it from job to job."""

_DATABASES = ("db-repository", "java-db-repository", "db-username", "db-password")

ImageFiles = Annotated[Source, in_workspace(Source.parse_files), WithJsonSchema({"type": "string"})]
"""An image in files: a path, with or without `oci:` and the like before it."""


class TrivyInputs(JudgingInputs, ReportInputs, RegistryLoginInputs):
    """What to scan, what to look for, and where the report goes."""

    scan_type: Literal["image", "dockerfile", "fs", "repo", "config", "rootfs", "sbom"] = Input(
        "fs",
        description="What to scan: an image, the base images of a Dockerfile (dockerfile), a file tree (fs), "
        "a git repository (repo), configuration files (config), an unpacked root file system (rootfs) or an "
        "SBOM file (sbom).",
    )
    target: str | None = Input(
        None,
        description="What to point the scan at: an image reference, a path, or the URL of a repository. "
        'Required, except that fs and config take the workspace ("."), and dockerfile "Dockerfile".',
    )
    archive: ImageFiles | None = Input(
        None,
        description="An image in files, to scan instead of `target`: a directory (OCI image layout) or an "
        "archive, as the `output` of buildx and kaniko and `docker save` write them. If there are several "
        "images in it, with a colon and the name or the digest of one: `dist/app:v1`.",
    )
    image_source: Literal["registry", "docker"] = Input(
        "registry",
        description='Where the image is. "docker": in the daemon of a job with `docker: true`.',
    )
    platforms: Words = Input(
        "all",
        description='Platforms of a multi-platform image to scan, e.g. "linux/amd64". "all": all it has.',
    )
    build_args: Pairs = Input(
        "",
        description="With `scan-type: dockerfile`: the build arguments that its FROM lines use, one "
        "`KEY=VALUE` a line; a bare `KEY` takes the job's variable.",
    )
    scanners: Annotated[Words, one_of("vuln", "misconfig", "secret", "license")] = Input(
        "", description="What to look for: vuln, misconfig, secret, license. If empty: vuln and secret."
    )
    pkg_types: Annotated[Words, one_of("os", "library")] = Input(
        "", description="Packages to look at: os, library. If empty: both."
    )
    skip_dirs: Globs = Input("", description="Directories to leave out, as paths or globs.")
    skip_files: Globs = Input("", description="Files to leave out, as paths or globs.")
    vex: Items = Input(
        "",
        description='VEX documents to honour: paths, "oci" (attested to the image), "repo", or '
        '"sbom-ref" (those that the scanned SBOM names).',
    )
    config: WorkspacePath | None = Input(
        None,
        description="Trivy's own configuration file, for what has no input here. If empty: `trivy.yaml`, "
        "where there is one.",
    )
    timeout: Duration | None = Input(
        None,
        description='Time that the whole job may take, e.g. "15m". Trivy gets it for each scan, and gives '
        "5 minutes to one otherwise.",
    )
    skip_db_update: Boolean = Input(
        "false",
        description="Use the cached vulnerability database as it is, without asking for a newer one.",
    )
    offline: Boolean = Input(
        "false", description="Contact nothing but the image's registry: no database, no look-ups."
    )
    db_repository: References = Input(
        "",
        description="Where the vulnerability database comes from, first choice first, e.g. "
        '"registry.example.com/mirror/trivy-db:2". If empty: Trivy\'s public ones.',
    )
    java_db_repository: References = Input("", description="As `db-repository`, for the index of Java.")
    db_username: UserName | None = Input(
        None,
        description="User name at the registry of the first `db-repository`. It is sent to that one only.",
    )
    db_password: Password | None = Input(None, description="Password or token for `db-username`.")
    cache_dir: str | None = Input(
        None,
        description="Directory of the databases, and of what is known of layers. If empty: the job's "
        "TRIVY_CACHE_DIR, else `.cache/trivy`.",
    )

    constraints = (
        RequiredIf("target", "scan-type", "repo", "rootfs", "sbom"),
        RequiredTogether("db-username", "db-password"),
        OnlyWith(("archive", "image-source", "attach"), "scan-type", "image"),
        OnlyWith("image-source", "archive", ""),
        OnlyWith("platforms", "scan-type", "image", "dockerfile"),
        OnlyWith("build-args", "scan-type", "dockerfile"),
        OnlyWith(("skip-dirs", "skip-files"), "scan-type", *FILES),
        OnlyWith(("scanners", "pkg-types", "vex", "ignore-unfixed", "grace"), "scan-type", *PACKAGES),
        OnlyWith(("skip-db-update", *_DATABASES), "scan-type", *PACKAGES),
        OnlyWith(_DATABASES, "offline", "false"),
        # What `offline` promises holds wherever nothing is asked anyway.
        Always("scan-type", "target", "config", "cache-dir", "offline"),
        Always("severity", "report-severity", "exit-code", "baseline", "ignorefile", "ignorefile-check"),
        Always("format", "template", "output", "reports"),
    )

    @property
    def image(self) -> Reference | None:
        """The image to scan, where it has a name."""
        return Reference.parse(self.target) if self.scan_type == "image" and self.target else None

    @property
    def looks_up(self) -> bool:
        """Whether the vulnerability database is used."""
        return self.scan_type in PACKAGES and "vuln" in (self.scanners or ("vuln",))

    @property
    def scans_insecurely(self) -> bool:
        """Whether the image's registry may speak plain http."""
        image = self.image if self.image_source == "registry" else None
        return image is not None and self.is_insecure(image.registry)

    def bases(self, environ: Mapping[str, str], workspace: Path) -> dict[Base, Reference]:
        """Return the base images of the Dockerfile that is scanned.

        Raises:
            Invalid: it cannot be read, or leaves open which image is meant.
        """
        from .dockerfile import DEFAULT, read_bases

        given = {key: environ.get(key) if value is None else value for key, value in self.build_args}
        arguments = {key: value for key, value in given.items() if value is not None}
        return read_bases(self.target or DEFAULT, arguments, workspace)

    @property
    def all_credentials(self) -> Credentials:
        """The credentials: of the images, and of the database; each for its own host."""
        home = self.image.registry if self.image else None
        if self.scan_type == "dockerfile":
            home = self.registry
        found = list(self.credentials(home) if home else self.further_credentials.for_hosts())
        if self.db_username and self.db_password and self.db_repository:
            found.append(Credential(self.db_repository[0].registry, self.db_username, self.db_password))
        return Credentials(found)

    def check(self, environ: Mapping[str, str], workspace: Path) -> Iterable[Problem]:
        """Check the target, and that nothing given would be ignored."""
        from .checks import problems

        return problems(self, environ, workspace)

    def image_registries(self, environ: Mapping[str, str], workspace: Path) -> tuple[Registry, ...]:
        """Return the registries of the image, or of the bases, of the databases and of the baseline."""
        images = list(self.bases(environ, workspace).values()) if self.scan_type == "dockerfile" else []
        images += [self.image] if self.image and self.image_source == "registry" else []
        return (*(each.registry for each in images), *self.read_beside(workspace))

    def uses_login(self, workspace: Path) -> bool:
        """Tell whether `username` is for a registry that is read: of an image, a database, a baseline."""
        if self.scan_type == "dockerfile" or (self.image and self.image_source == "registry"):
            return True
        own = self.registry or (self.image.registry if self.image else None)
        return self.image is not None and own in self.read_beside(workspace)

    def read_beside(self, workspace: Path) -> list[Registry]:
        """Return the registries of the databases and of the baseline."""
        databases = [each.registry for each in (*self.db_repository, *self.java_db_repository)]
        return [*databases, *self.baseline_registries(workspace)]

    def cached_in(self, environ: Mapping[str, str]) -> str:
        """Return the directory of the databases, which need not be there."""
        return self.cache_dir or environ.get("TRIVY_CACHE_DIR") or CACHE

    def configured_by(self, environ: Mapping[str, str]) -> str:
        """Return Trivy's own configuration file, which need not be there."""
        return self.config or environ.get("TRIVY_CONFIG") or CONFIGURATION

    def accepted_by(self, environ: Mapping[str, str], workspace: Path) -> str:
        """Return the ignore file that Trivy reads, which need not be there."""
        given = self.ignorefile or environ.get("TRIVY_IGNOREFILE")
        return given or text_of(self.configured_by(environ), "ignorefile", workspace) or ".trivyignore"

    def baseline_registries(self, workspace: Path) -> list[Registry]:
        """Return the registry of the baseline, if that is an image."""
        from .allowance import baseline_reference

        try:
            reference = baseline_reference(self, workspace)
        except ValueError:
            return []
        return [reference.registry] if reference else []


def without_login(url: str) -> tuple[str, Secret | None]:
    """Return a URL without its `user:token@`, and the token."""
    match = re.match(r"(?i)(https?://)?([^/]+)@", url)
    if not match or not (match[1] or ":" in match[2]):
        return url, None
    token = match[2].partition(":")[2] or match[2]
    return (match[1] or "") + url[match.end() :], Secret(unquote(token))
