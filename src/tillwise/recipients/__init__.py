"""Recipients: whom the shop hands data to, what may leave for them, and what did."""
