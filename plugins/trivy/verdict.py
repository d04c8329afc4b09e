"""From what was found to the outputs and the last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gocdnext_sdk import Findings, Job

from .findings import Counts, labels
from .inputs import SEVERITIES, TrivyInputs
from .subjects import Subject


def summarize(inputs: TrivyInputs, counts: Mapping[Subject, Counts]) -> dict[str, str]:
    """Return the outputs that tell what was found."""
    total = sum(counts.values(), Counter[str]())
    outputs = {each: str(total[each]) for each in SEVERITIES}
    outputs["FINDINGS"] = str(sum(total[each] for each in inputs.severity))
    if platforms := ",".join(dict.fromkeys(filter(None, (subject.platform for subject in counts)))):
        outputs["PLATFORMS"] = platforms
    return outputs


def judge(inputs: TrivyInputs, job: Job, counts: Mapping[Subject, Counts]) -> None:
    """Say in the last line whether it is clean, and end the job if it is not.

    Raises:
        Findings: something of `severity` was found, and `exit-code` is not 0.
    """
    relevant = {
        subject: Counter({each: found[each] for each in inputs.severity}) for subject, found in counts.items()
    }
    total = sum(relevant.values(), Counter[str]())
    name = next(iter(counts)).name
    label = labels(relevant)
    parts = [(label[subject], found) for subject, found in relevant.items() if label[subject]]
    if not total:
        where = f"{name} ({', '.join(part for part, _ in parts)})" if parts else name
        job.say(f"clean: nothing {' or '.join(inputs.severity)} in {where}")
        return
    details = "; ".join(f"{part}: {describe(found)}" for part, found in parts)
    message = f"findings: {describe(total)} in {f'{name} ({details})' if parts else name}"
    if inputs.exit_code:
        raise Findings(message, exit_code=inputs.exit_code)
    job.say(f"{message}; advisory, as `exit-code` is 0")


def describe(counts: Counts) -> str:
    """Return counts in words, as "2 CRITICAL, 1 HIGH"."""
    return ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each]) or "none"
