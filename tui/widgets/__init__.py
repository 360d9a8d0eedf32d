"""The panels the screens are made of: drawn line by line, from a view."""
