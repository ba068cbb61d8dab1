"""Seeded, labelled stand-ins for what a data set lacks."""
