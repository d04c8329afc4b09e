"""One run of a plugin, in its image: tools, signals, secret files, masking, outputs, the Docker daemon.

Not public (docs/api.md): authors import what they need of it from `gocdnext_sdk`.
"""
