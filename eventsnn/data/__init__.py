"""Data sets: generators and readers that return plain NumPy arrays."""
