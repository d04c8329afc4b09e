"""By which Sigstore the jobs of a run sign: the public one, unless they name another or the run has its own.

What is signed by the public one stands in its log for ever, also where image and registry are thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gocdnext_sdk.contract import keys
from gocdnext_sdk.host.harness.given import SIGSTORE_VARIABLES
from gocdnext_sdk.host.lint.view import Use
from gocdnext_sdk.host.pipeline.modes import Mode
from gocdnext_sdk.inputs.facts import Signs
from gocdnext_sdk.tools import sigstore

PUBLIC_LOG = sigstore.PUBLIC_LOG.removeprefix("https://")
"""The host of the public Sigstore's log."""


def is_public(use: Use) -> bool:
    """Tell whether a job signs by the public Sigstore."""
    return any(_by_public(use))


def _by_public(use: Use) -> Iterator[Signs]:
    for signs in use.signs:
        by_key = any(use.text(each) for each in (signs.key, signs.key_content) if each)
        offline = by_key and bool(signs.offline) and use.holds(signs.offline)
        own = any(use.text(each) for each in (signs.signing_config, *signs.services) if each)
        if signs.signing_config and not offline and not own:
            yield signs


def with_own(
    environ: Mapping[str, str], use: Use, variables: Mapping[str, str], mode: Mode
) -> dict[str, str]:
    """Return a job's variables with the run's Sigstore in place of the public one.

    Args:
        environ: as they are resolved.
        use: how the job uses its plugin, with the same inputs.
        variables: those that the run's Sigstore gives to pipelines.
        mode: how names of inputs become names of variables.
    """
    _, *described = SIGSTORE_VARIABLES
    given = {
        keys.variable(key, mode.transform): variables[name]
        for signs in _by_public(use)
        for key, name in zip((signs.signing_config, signs.trusted_root), described, strict=True)
        if key and not use.text(key)
    }
    return {**environ, **given}
