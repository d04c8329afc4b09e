"""References, credentials and a read-only registry client."""
