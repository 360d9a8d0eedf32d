"""``shoal chaos``: a seeded storm of deaths over a run whose right answers are known, and the account of every task."""
