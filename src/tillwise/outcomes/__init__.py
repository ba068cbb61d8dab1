"""Was it right: what happened later, and the labels it matures into."""
