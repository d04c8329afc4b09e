"""A Sigstore FOR LOCAL USE AND TESTS ONLY: everything keyless signing needs, made afresh at every start.

Runs in a container of its own (`sdk/sigstore/Dockerfile`), started by
`gocdnext_sdk.host.harness.local_sigstore`:

- `tokens`: the issuer's keys, and whether a token is one of its own
- `authority`: a certificate authority that answers as Fulcio does
- `trust`: the trusted root and the signing config that go with them
- `services`: the real transparency log (Rekor v2) and the real timestamp authority
- `server`: what is served by HTTP

ITS KEYS LIE UNPROTECTED IN THAT CONTAINER, AND NOBODY WATCHES ITS LOG. Never trust it for anything that is
published; `docs/keyless.md` says how to run the real one.
"""
