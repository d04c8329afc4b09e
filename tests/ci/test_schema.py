"""The schema of pipelines in ajv, which editors and many linters validate with."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import yaml
from testbed import runners
from testbed.pins import ROOT

from gocdnext_sdk.host.manifest.catalog import Catalog
from gocdnext_sdk.host.manifest.pipeline_schema import pipeline_schema

CHECK = """
const fs = require("fs");
const Ajv = require("ajv/dist/2020").default;
const [schema, ...texts] = JSON.parse(fs.readFileSync(0));
const validate = new Ajv({allErrors: true, strictTypes: false, strictRequired: false}).compile(schema);
console.log(JSON.stringify(texts.map(text => validate(text) ? [] : validate.errors)));
"""
"""Strict but for two checks of style: a keyword whose type, or whose property, another branch names."""


def errors(*pipelines: object) -> list[list[object]]:
    """Return what ajv says of each pipeline."""
    given = json.dumps([pipeline_schema(Catalog.load()), *pipelines])
    environ = {"PATH": os.environ["PATH"], "NODE_PATH": str(runners.ajv())}
    done = subprocess.run(
        ["node", "-e", CHECK], input=given, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[list[object]] = json.loads(done.stdout)
    return found


def test_it_compiles_and_takes_every_example() -> None:
    files = sorted([*ROOT.glob("examples/*/.gocdnext/*.yaml"), ROOT / ".gocdnext" / "release.yaml"])
    found = errors(*(_read(file) for file in files))
    assert [(file, wrong) for file, wrong in zip(files, found, strict=True) if wrong] == []


def test_it_refuses_what_the_platform_refuses() -> None:
    job = {"stage": "a", "image": "i", "script": ["s"]}
    right, key, plugin = errors(
        {"stages": ["a"], "jobs": {"x": job}},
        {"stages": ["a"], "jobs": {"x": {**job, "scirpt": ["s"]}}},
        {"stages": ["a"], "jobs": {"x": {"stage": "a", "uses": "ghcr.io/klinux/gocdnext-plugin-trivy@v1",
                                         "with": {"scan-typ": "fs"}}}},
    )  # fmt: skip
    assert right == []
    assert key
    assert plugin


def _read(file: Path) -> object:
    """Read a pipeline as an editor does: by YAML 1.2, in which `on` is a text."""
    found = yaml.safe_load(file.read_text())
    for each in found.get("notifications", ()):
        if True in each:
            each["on"] = each.pop(True)
    return found
