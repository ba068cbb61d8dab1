"""What do we think: learners, and models that are data only."""
