"""What is wrong, or may go wrong, in a pipeline, before anything runs.

`rule` says what a rule is, `rules` holds them by theme, `check` applies them to files.
"""
