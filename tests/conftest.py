"""The shipped fixtures under short names, and how far property tests go, for this repository's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings

# Each run of `make test` tries the same few examples. `make soak` tries many, other ones each time, and says
# how to repeat one that fails. A loaded machine is no reason to fail.
settings.register_profile(
    "bounded",
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "soak", settings.get_profile("bounded"), max_examples=10_000, derandomize=False, print_blob=True
)
settings.load_profile("bounded")

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what `run` notes about checkouts out of the user's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def _short(name: str, scope: Literal["function", "session"]) -> Any:
    @pytest.fixture(name=name, scope=scope)
    def alias(request: pytest.FixtureRequest) -> Any:
        return request.getfixturevalue(f"gocdnext_{name}")

    return alias


fake_tools = _short("fake_tools", "function")
workspace = _short("workspace", "function")
run_plugin = _short("run_plugin", "function")
repository = _short("repository", "function")
run_pipeline = _short("run_pipeline", "function")
registry = _short("registry", "session")
sigstore = _short("sigstore", "session")
