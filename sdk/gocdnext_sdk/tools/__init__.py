"""Adapters of the tools that plugins wrap: what each is told, and what it answers."""
