"""What a run reports while it runs and when it has ended."""
