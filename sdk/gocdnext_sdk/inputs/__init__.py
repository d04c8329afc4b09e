"""Typed inputs: what a plugin declares, and how the `with:` map becomes it.

Public are the modules that docs/api.md names; the others may change in any version.
"""
