"""The queue of decisions a person has to look at."""
