"""What runs on an author's machine or in CI, and never enters an image.

It stands on the rest of the SDK, and nothing of the rest stands on it: `make lint` holds that.

Public are the modules that docs/api.md names; the others may change in any version.
"""
