"""Scan images, file trees, repositories and configuration with Trivy."""

from __future__ import annotations

from datetime import UTC, datetime

from gocdnext_sdk import DaemonUse, Downloads, Gates, Job, Plugin, Reads, ReadsWorkspace, Writes
from gocdnext_sdk.inputs.registry_login import CLOUD_VARIABLES

from .allowance import allow, baseline_subjects, read_baseline, tell
from .findings import count, split
from .formats import SBOMS, SCANS
from .ignores import check_ignorefile
from .inputs import CACHE, TrivyInputs
from .judging_inputs import SEVERITIES
from .preparing import GIT_TOKENS, prepare, without_secrets
from .report import Renderer, attestable, publish, refuse_reports
from .scan import scan
from .subjects import subjects_of
from .verdict import judge, summarize


class Trivy(Plugin[TrivyInputs]):
    """Scan images, file trees, git repositories and configuration with Trivy.

    It looks for known vulnerabilities, leaked secrets, misconfiguration and licences, and fails the job when
    something of `severity` is found. Every platform of a multi-platform image is scanned, by digest.
    """

    name = "gocdnext-plugin-trivy"
    category = "security"
    inputs = TrivyInputs
    outputs = {
        "IMAGE": "The image's name, without tag and digest.",
        "DIGEST": "The digest that was scanned: of the index, for a multi-platform image.",
        "REFERENCE": "IMAGE@DIGEST: what to sign.",
        "TAGS": "The tag in `target`.",
        "BASES": "With `scan-type: dockerfile`: the base images, by digest, with commas between.",
        "PLATFORMS": "The platforms that were scanned, with commas between.",
        "SBOMS": "The SBOMs of `reports`, each with the image of one platform that it describes, with commas "
        "between: `ghcr.io/org/app@sha256:…=sbom/linux-amd64.json`.",
        "SCANS": "As SBOMS, the `cosign-vuln` reports: what a scan found, to be attested with "
        "`predicate-type: vuln`.",
        "FINDINGS": "Number of findings that count: those of `severity` that are not let pass.",
        "KNOWN": "With `baseline`: number of findings of `severity` that it has already.",
        "IN_GRACE": "With `grace`: number of findings of `severity` that were published only just now.",
        **{each: f"Number of {each.lower()} findings in the report." for each in SEVERITIES},
    }

    reads = (Reads("target", when={"scan-type": "image"}, unless={"image-source": "docker"}),)
    writes = (Writes("target", when={"attach": "true", "scan-type": "image"}),)
    gates = Gates(unless={"exit-code": "0"})
    daemon = DaemonUse("always", when={"image-source": "docker"})
    workspace = ReadsWorkspace("target", when={"scan-type": ("dockerfile", "fs", "config", "rootfs")})
    downloads = Downloads("db-repository", "TRIVY_DB_REPOSITORY", CACHE, unless={"scan-type": "config"})
    variables = ("TRIVY_", "DOCKER_", *CLOUD_VARIABLES, *GIT_TOKENS.values())

    def run(self, inputs: TrivyInputs, job: Job) -> dict[str, str]:
        """Find out what to scan, scan each part of it once, report, judge."""
        job.temporary()  # Trivy unpacks into it
        job.trust(inputs.ca_file)
        with subjects_of(inputs, job) as subjects:
            refuse_reports(inputs, subjects)
            trivy = prepare(inputs, job)
            earlier = baseline_subjects(inputs, job, subjects)
            scanned = scan(inputs, job, trivy, [*subjects, *earlier])
        reports, before = split(scanned, len(subjects))
        baseline = read_baseline(inputs, job.workspace, before)
        broken = check_ignorefile(inputs, job, reports.values())
        written = publish(Renderer(inputs, job, without_secrets(job), reports))
        for name, formats in {"SBOMS": SBOMS, "SCANS": SCANS}.items():
            if found := attestable(written, formats):
                job.output(**{name: found})
        if inputs.attach:
            from .attaching import attach_reports

            attach_reports(inputs, job, next(iter(reports)).name, written)
        counts = {subject: count(report) for subject, report in reports.items()}
        allowed = allow(inputs, reports, baseline, datetime.now(UTC))
        job.output(**summarize(inputs, counts, allowed.left))
        judge(inputs, job, allowed.left, tell(inputs, job, allowed, baseline), broken)
        return {}


if __name__ == "__main__":
    Trivy.main()
