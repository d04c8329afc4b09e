"""From what was found to the outputs and the last line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gocdnext_sdk import Findings, Job

from .findings import Counts, labels
from .inputs import TrivyInputs
from .judging_inputs import SEVERITIES
from .subjects import Subject


def summarize(
    inputs: TrivyInputs, counts: Mapping[Subject, Counts], left: Mapping[Subject, Counts] | None = None
) -> dict[str, str]:
    """Return the outputs that tell what was found.

    Args:
        inputs: say which severities count.
        counts: what the report has.
        left: what of it counts, if something is let pass.
    """
    total = sum(counts.values(), Counter[str]())
    outputs = {each: str(total[each]) for each in SEVERITIES}
    failing = sum((counts if left is None else left).values(), Counter[str]())
    outputs["FINDINGS"] = str(sum(failing[each] for each in inputs.severity))
    if platforms := ",".join(dict.fromkeys(filter(None, (subject.platform for subject in counts)))):
        outputs["PLATFORMS"] = platforms
    return outputs


def judge(
    inputs: TrivyInputs,
    job: Job,
    counts: Mapping[Subject, Counts],
    passed: str = "",
    broken: Sequence[str] = (),
) -> None:
    """Say in the last line whether it is clean, and end the job if it is not.

    Args:
        inputs: say what counts.
        job: has the log.
        counts: what was found and not let pass.
        passed: what was let pass, in words.
        broken: what is wrong with the file of accepted findings.

    Raises:
        Findings: something of `severity` was found, or accepted for too long, and `exit-code` is not 0.
    """
    relevant = {
        subject: Counter({each: found[each] for each in inputs.severity}) for subject, found in counts.items()
    }
    total = sum(relevant.values(), Counter[str]())
    name = next(iter(counts)).name
    label = labels(relevant)
    parts = [(label[subject], found) for subject, found in relevant.items() if label[subject]]
    beside = f"; let pass: {passed}" if passed else ""
    if not total and not broken:
        where = f"{name} ({', '.join(part for part, _ in parts)})" if parts else name
        job.say(f"clean: nothing {' or '.join(inputs.severity)} in {where}{beside}")
        return
    details = "; ".join(f"{part}: {describe(found)}" for part, found in parts)
    message = f"findings: {describe(total)} in {f'{name} ({details})' if parts else name}" if total else ""
    message = "; ".join(filter(None, (message, *broken))) + beside
    if inputs.exit_code:
        raise Findings(message, exit_code=inputs.exit_code)
    job.say(f"{message}; advisory, as `exit-code` is 0")


def describe(counts: Counts) -> str:
    """Return counts in words, as "2 CRITICAL, 1 HIGH"."""
    return ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each]) or "none"
