"""The platform's rules as pure functions: no I/O, nothing but the standard library.

Written once and used by both sides: what the harness puts into a job is what the SDK in the job
reads out. Each module names the upstream file its rules come from.

- `keys`: input names to environment variables
- `scalars`: what a YAML scalar means
- `uses`: `uses:` to image
- `refs`: `${{ … }}` and `${…}`
- `outputs`: the file behind `GOCDNEXT_OUTPUT_FILE`
- `masks`: what the platform hides in logs
- `id_tokens`: what a job's identity token says
"""

from gocdnext_sdk.contract.errors import ContractError

__all__ = ["ContractError"]
