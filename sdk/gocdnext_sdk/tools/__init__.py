"""Adapters of the tools that plugins wrap: what each is told, and what it answers.

Public are the modules that docs/api.md names; the others may change in any version.
"""
