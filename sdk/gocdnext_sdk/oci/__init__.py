"""References, credentials and a registry client."""
