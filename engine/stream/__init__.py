"""The one stream that everybody watches: typed events and frames, where to find it, and a client for it."""
