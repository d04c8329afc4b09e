"""What the locks pin installs on any day, whatever has been released since."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([\w.-]+)(\[[\w,.-]+\])?==", re.MULTILINE)


def test_a_package_wanted_with_an_extra_is_locked_with_it() -> None:
    """Else pip may look at a newer release for the extra, and stop: it has no hash (pypa/pip#9644)."""
    locked = {
        canonicalize_name(name): {extra for extra in extras.strip("[]").split(",") if extra}
        for name, extras in PINNED.findall((ROOT / "requirements-dev.lock").read_text())
    }
    wanted = [
        (distribution.name, requirement)
        for distribution in distributions()
        if canonicalize_name(distribution.name) in locked
        for requirement in map(Requirement, distribution.requires or [])
        if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    ]
    assert ("pytest-cov", {"toml"}) in [(name, requirement.extras) for name, requirement in wanted]
    for name, requirement in wanted:
        assert requirement.extras <= locked[canonicalize_name(requirement.name)], (name, str(requirement))
