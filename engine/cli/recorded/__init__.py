"""Commands about recorded runs, and about the database."""
