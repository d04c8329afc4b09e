"""Write container plugins for gocdnext pipelines."""
