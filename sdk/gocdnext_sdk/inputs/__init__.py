"""Typed inputs: what a plugin declares, and how the `with:` map becomes it."""
