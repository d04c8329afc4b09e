"""A pipeline file as the platform reads it: `parse` → `plan` → `resolve`.

pipeline = parse_file(Path(".gocdnext/release.yaml"))
for job in plan(pipeline).jobs:
    resolved = resolve(pipeline, job, Sources(secrets=…, run=…))
"""
