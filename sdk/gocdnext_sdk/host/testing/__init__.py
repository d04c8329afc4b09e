"""Test plugins: run one with one call, and look at all it did.

The fixtures of `fixtures` are there in every pytest run once the SDK is installed:

```python
def test_the_scan_target_reaches_trivy(gocdnext_run_plugin, gocdnext_fake_tools):
    gocdnext_fake_tools.add("trivy", stdout="{}")
    result = gocdnext_run_plugin("plugins/trivy", {"scan-type": "fs", "target": "src"}).passed()
    assert result.call("trivy").argv == ("fs", "src")
```
"""

from gocdnext_sdk.host.testing.result import Argv, Call, HttpCall, Result
from gocdnext_sdk.host.testing.run import Mode, PluginRunner

__all__ = ["Argv", "Call", "HttpCall", "Mode", "PluginRunner", "Result"]
