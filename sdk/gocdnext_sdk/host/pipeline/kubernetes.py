"""What Kubernetes makes of the text in a pod's specification.

Source: kubernetes v1.34.4, `third_party/forked/golang/expansion/expand.go` and
`pkg/kubelet/kubelet_pods.go`, makeEnvironmentVariables. The agent escapes nothing (docs/contract.md §6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")

# A pod is refused for any other name: k8s.io/apimachinery `pkg/util/validation`, IsRelaxedEnvVarName. Before
# 1.34, a cluster may refuse more.
_VARIABLE = re.compile(r"[ -<>-~]+")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where the name is known, and `$$` by `$`; the result is not looked at again."""

    def replaced(found: re.Match[str]) -> str:
        return "$" if found[1] is None else values.get(found[1], found[0])

    return _REFERENCE.sub(replaced, text)


def environ(given: Mapping[str, str]) -> dict[str, str]:
    """Return what a container gets for variables that are written into its specification.

    A reference sees only the variables in front of it. The agent writes a map of Go's, whose order is another
    one each time; here those without references come first, so that as much is replaced as can be.
    """
    found: dict[str, str] = {}
    for name in sorted(given, key=lambda each: (bool(_REFERENCE.search(given[each])), each)):
        found[name] = expand(given[name], found)
    return {name: found[name] for name in given}


def is_variable(name: str) -> bool:
    """Tell whether a variable may have this name in every version that there is."""
    return _VARIABLE.fullmatch(name) is not None
