"""Tags of an image, made from what is known of the run, with the syntax of docker/metadata-action.

`rules` reads the text, `evaluate` makes tags of it. Source of all rules: docker/metadata-action at
dc802804 (v6, 2026-07): `src/tag.ts`, `src/flavor.ts`, `src/meta.ts`, and the libraries it uses.
"""
