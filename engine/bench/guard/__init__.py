"""Whether the engine has become slower: sessions that are kept, baselines, and a verdict for each cell."""
