"""What is generated from a plugin's model: plugin.yaml, a JSON Schema, the tables of the README."""
