"""Container engines: what the harness asks of one, Docker, and one in memory for tests."""
