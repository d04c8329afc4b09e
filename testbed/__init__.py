"""Make a bare host into one that can run the real thing: engine, tools, bases, registry, trivy database.

Nothing here is shipped, and neither ``sdk/`` nor ``plugins/`` knows of it. A host whose Docker engine is
reachable and can pull needs almost none of it.
"""
