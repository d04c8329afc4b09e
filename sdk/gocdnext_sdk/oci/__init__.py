"""References, credentials and a registry client.

Public are the modules that docs/api.md names; the others may change in any version.
"""
