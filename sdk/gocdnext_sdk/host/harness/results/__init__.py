"""What jobs leave for the platform to read: results of tests, and coverage."""
