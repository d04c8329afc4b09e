"""One run of a plugin, in its image: tools, signals, secret files, masking, outputs, the Docker daemon."""
