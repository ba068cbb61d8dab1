"""One file of declarations per question a shop asks."""
