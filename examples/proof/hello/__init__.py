"""An application small enough to sign."""
