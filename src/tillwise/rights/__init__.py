"""What people may ask for: access, rectification, erasure and the rest, answered from every holder of their data."""
