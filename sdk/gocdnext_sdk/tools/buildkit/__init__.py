"""BuildKit's ways, for plugins that build with buildx: caches, build arguments and builders."""
