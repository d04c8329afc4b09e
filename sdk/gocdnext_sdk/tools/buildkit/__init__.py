"""Adapter for BuildKit through buildx: caches, build arguments and builders."""
