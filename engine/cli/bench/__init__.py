"""``shoal bench`` and its commands: benchmarks measured, kept, compared and told."""
