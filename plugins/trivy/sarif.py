"""One SARIF log of several images: equal results are one, which names its platforms.

Source: SARIF 2.1.0, §3.14 (run), §3.27 (result), §3.52 (rule index).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .findings import labels
from .subjects import Subject


def merge_sarif(texts: Mapping[Subject, str]) -> str:
    """Return one log with one run.

    Args:
        texts: the log of each image, as Trivy writes it.
    """
    if len(texts) == 1:
        return next(iter(texts.values()))
    label = labels(texts)
    rules: dict[str, Any] = {}
    results: dict[str, dict[str, Any]] = {}
    platforms: dict[str, list[str]] = {}
    first: dict[str, Any] = {}
    for subject, text in texts.items():
        log = json.loads(text)
        first = first or log
        for run in log["runs"]:
            for each in run["tool"]["driver"].get("rules", ()):
                rules.setdefault(each["id"], each)
            for result in run.get("results", ()):
                same = json.dumps({k: v for k, v in result.items() if k != "ruleIndex"}, sort_keys=True)
                results.setdefault(same, result)
                where = platforms.setdefault(same, [])
                where += [label[subject]] if label[subject] not in where else []
    index = {name: number for number, name in enumerate(rules)}
    rows = [
        result
        | {
            "ruleIndex": index[result["ruleId"]],
            "message": {"text": f"{result['message']['text']}\nPlatforms: {', '.join(platforms[same])}"},
            "properties": result.get("properties", {}) | {"platforms": platforms[same]},
        }
        for same, result in results.items()
    ]
    run = first["runs"][0]
    driver = run["tool"]["driver"] | {"rules": list(rules.values())}
    name = next(iter(texts)).name
    image = {"imageName": name, "repoDigests": [name], "platforms": list(label.values())}
    return (
        json.dumps(
            first | {"runs": [run | {"tool": {"driver": driver}, "results": rows, "properties": image}]},
            indent=2,
        )
        + "\n"
    )
