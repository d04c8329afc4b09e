"""Logging in at a cloud's registry by the job's identity token, without a stored password.

`table` has the clouds, one module each has what a cloud's documented protocol asks for.
"""
