"""One run of one plugin: in this process, as a process of its own, or in a container of its image."""
