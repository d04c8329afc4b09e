"""What runs on an author's machine or in CI, and never enters an image.

It stands on the rest of the SDK, and nothing of the rest stands on it: `make lint` holds that.
"""
