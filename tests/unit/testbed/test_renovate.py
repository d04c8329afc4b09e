"""Renovate tells what is newer; only `make pins` writes it, since one pin stands in many files."""

from __future__ import annotations

import json
import re

from testbed import raising
from testbed.pins import ROOT, pins

CONFIGURATION = json.loads((ROOT / "renovate.json").read_text())
IMAGES = {pin.image for pin in pins().values() if pin.image}


def test_it_tells_and_makes_no_pull_request_of_its_own() -> None:
    assert CONFIGURATION["dependencyDashboardApproval"] is True
    assert "config:recommended" in CONFIGURATION["extends"]  # which has the dashboard
    rules = [CONFIGURATION, *CONFIGURATION["packageRules"]]
    assert all(rule.get("dependencyDashboardApproval", True) for rule in rules)
    assert not any(rule.get("automerge") for rule in rules)


def test_it_reads_the_pins_where_they_stand() -> None:
    found = set()
    for manager in CONFIGURATION["customManagers"]:
        assert manager["managerFilePatterns"] == ["/^tools\\.toml$/"]
        for expression in manager["matchStrings"]:
            for match in re.finditer(expression.replace("(?<", "(?P<"), (ROOT / "tools.toml").read_text()):
                found.add("{depName}:{currentValue}@{currentDigest}".format(**match.groupdict()))
    assert found == IMAGES


def test_a_tag_that_is_no_plain_version_has_a_rule_that_reads_it() -> None:
    rules = {
        name: rule["versioning"].removeprefix("regex:")
        for rule in CONFIGURATION["packageRules"]
        if "versioning" in rule
        for name in rule["matchPackageNames"]
    }
    for image in IMAGES:
        name, _, tag = image.partition("@")[0].rpartition(":")
        expression = rules.get(name, r"v?\d+\.\d+\.\d+(-[a-z-]+)?").replace("(?<", "(?P<")
        assert re.fullmatch(expression, tag), f"{name}:{tag}"


def test_every_file_that_names_a_pinned_digest_is_one_that_raising_writes() -> None:
    digests = [image.partition("@")[2].encode() for image in IMAGES]
    tracked = raising.run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    naming = {
        file
        for name in filter(None, tracked)
        if (file := ROOT / name).is_file() and any(each in file.read_bytes() for each in digests)
    }
    assert naming - {ROOT / raising.LOCK} <= set(raising._files(ROOT))
