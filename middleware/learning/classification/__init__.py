"""Which category a product belongs in, from its text: learned from those that have one, or read off their names."""
