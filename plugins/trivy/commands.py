"""The command lines of Trivy 0.74."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from gocdnext_sdk.tools.csv import comma_separated

from .formats import TEMPLATES
from .inputs import FILES, PACKAGES, TrivyInputs
from .judging_inputs import SEVERITIES
from .report_inputs import contrib
from .subjects import Subject

NOTHING: Mapping[str, str] = MappingProxyType({})


def download_command(inputs: TrivyInputs, cache: str) -> list[str]:
    """Return the argv that fetches the vulnerability database, if a newer one is due."""
    argv = ["image", "--download-db-only", "--cache-dir", cache, "--no-progress"]
    return [*argv, *_each("--db-repository", inputs.db_repository)]


def scan_command(
    inputs: TrivyInputs,
    subject: Subject,
    cache: str,
    environ: Mapping[str, str] = NOTHING,
    *,
    backend: str = "memory",
) -> list[str]:
    """Return the argv of the one scan, whose JSON everything else is made from.

    Args:
        inputs: say how.
        subject: is scanned.
        cache: where the databases are.
        environ: the job's variables.
        backend: where what is found in layers is kept; empty: where the job's variables say.
    """
    shown = [each for each in SEVERITIES if each in {*inputs.severity, *inputs.report_severity}]
    command = "image" if inputs.scan_type == "dockerfile" else inputs.scan_type
    argv = [command, "--format", "json", "--severity", ",".join(shown)]
    # What counts is counted in the report: Trivy's exit code does not tell findings from failures.
    argv += ["--exit-code", "0", *(("--timeout", inputs.timeout) if inputs.timeout else ())]
    argv += ["--cache-dir", cache]
    argv += ["--cache-backend", backend] if backend else []
    argv += ["--skip-version-check", "--disable-telemetry", *_settings(inputs)]
    # What the ignore file left out, to know which of its entries are needed. `trivy config` cannot tell.
    argv += ["--show-suppressed"] if inputs.scan_type in PACKAGES else []
    argv += _unmoved(inputs, environ)
    if command == "image":
        # Trivy would scan the files that trivy.yaml or a variable names instead of the image.
        argv += ["--input", ""]
    if inputs.scan_type in PACKAGES:
        argv += ["--no-progress"]
        argv += ["--ignore-unfixed" if inputs.ignore_unfixed else "--ignore-unfixed=false"]
        argv += _denied(inputs)
        argv += ["--skip-db-update"] if inputs.skip_db_update or inputs.offline else []
        argv += ["--skip-java-db-update", "--offline-scan"] if inputs.offline else []
        asks_nobody = inputs.offline or inputs.scans_insecurely
        argv += ["--skip-vex-repo-update"] if inputs.vex and asks_nobody else []
        argv += _each("--db-repository", inputs.db_repository)
        argv += _each("--java-db-repository", inputs.java_db_repository)
        argv += _each("--scanners", inputs.scanners)
        argv += _each("--pkg-types", inputs.pkg_types)
        argv += _each("--vex", map(_whole, inputs.vex))
    if inputs.scans_insecurely:
        # Trivy allows it to every host of a call, so the call asks no other.
        argv += ["--insecure", "--offline-scan", "--skip-java-db-update"]
    if inputs.scan_type in FILES:
        # The checks in the binary, so that one version of the plugin judges alike every day.
        argv += ["--skip-check-update"]
        argv += _each("--skip-dirs", map(_whole, inputs.skip_dirs))
        argv += _each("--skip-files", map(_whole, inputs.skip_files))
    return [*argv, *subject.argv]


def convert_command(
    inputs: TrivyInputs, report_format: str, path: str, trivy: str = "/usr/local/bin/trivy"
) -> list[str]:
    """Return the argv that turns the JSON at `path` into another format.

    Args:
        inputs: what a conversion has to know.
        report_format: one of `FORMATS`.
        path: of the JSON.
        trivy: the executable, beside which its own templates are.
    """
    known = "template" if report_format in TEMPLATES else report_format
    argv = ["convert", "--quiet", "--format", known, "--exit-code", "0", *_settings(inputs)]
    if report_format == "table":
        # They only name the columns of the summary.
        usual = {"config": "misconfig", "sbom": "vuln"}.get(inputs.scan_type, "vuln,secret")
        argv += ["--scanners", ",".join(inputs.scanners) or usual]
    if known == "template":
        named = {f"@{contrib(each)}": each for each in TEMPLATES}
        template = inputs.template or ""
        own = report_format if report_format in TEMPLATES else named.get(template)
        if own is None or (report_format == "template" and Path(template[1:]).is_file()):
            argv += ["--template", template]
        else:
            argv += ["--template", _bundled(own, trivy)]
    return [*argv, path]


def _bundled(name: str, trivy: str) -> str:
    """Return one of Trivy's own templates as Trivy takes it, by the path where its image has them.

    That is `/contrib`, where the executable is `/usr/local/bin/trivy`.
    """
    return "@" + os.path.normpath(Path(trivy).parent / "../../.." / contrib(name))


def _unmoved(inputs: TrivyInputs, environ: Mapping[str, str]) -> list[str]:
    """Return what a `trivy.yaml` that the job does not name may not decide.

    That is which server is sent what was found, and makes the report; and whether TLS is checked where logins
    are sent.
    """
    if inputs.config:
        return []
    argv = [] if inputs.scan_type == "config" or environ.get("TRIVY_SERVER") else ["--server", ""]
    return argv + ([] if inputs.scans_insecurely or environ.get("TRIVY_INSECURE") else ["--insecure=false"])


def _denied(inputs: TrivyInputs) -> list[str]:
    """Return what is given as "false", which trivy.yaml or a variable of the job may have otherwise.

    Flags that come later win over these.

    Source: Trivy 0.74 `pkg/flag/options.go`.
    """
    flags = {"skip_db_update": "--skip-db-update=false", "offline": "--offline-scan=false"}
    given = inputs.model_fields_set
    return [flag for name, flag in flags.items() if name in given and not getattr(inputs, name)]


def _settings(inputs: TrivyInputs) -> list[str]:
    """Return what scan and conversion have to agree on."""
    return [
        "--output",
        "",  # standard output, whatever trivy.yaml says
        *_each("--config", filter(None, [inputs.config])),
        *_each("--ignorefile", filter(None, [inputs.ignorefile])),
    ]


def _each(flag: str, values: Iterable[object]) -> list[str]:
    return [word for value in values for word in (flag, str(value))]


def _whole(value: str) -> str:
    """Return what a flag that takes a list, as a line of CSV, reads as one value."""
    return comma_separated([value])
