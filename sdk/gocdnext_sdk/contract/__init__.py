"""The platform's rules as pure functions: no I/O, nothing but the standard library.

Written once and used by both sides: what the harness puts into a job is what the SDK in the job
reads out. Each module names the upstream file its rules come from; docs/contract.md has all of them.

- `keys`: input names to environment variables (§4)
- `scalars`: what a YAML scalar means (§3)
- `uses`: `uses:` to image (§1.3 and §2)
- `refs`: `${{ … }}` and `${…}` (§6)
- `outputs`: the file behind `GOCDNEXT_OUTPUT_FILE` (§8)
- `masks`: what the platform hides in logs (§9)
- `id_tokens`: what a job's identity token says (§10)

Not public (docs/api.md).
"""

from gocdnext_sdk.contract.errors import ContractError

__all__ = ["ContractError"]
