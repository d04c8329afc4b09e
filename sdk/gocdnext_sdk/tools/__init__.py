"""Adapters of the tools that plugins wrap: their arguments, their files and their answers.

Public are the modules that docs/api.md names; the others may change in any version.
"""
