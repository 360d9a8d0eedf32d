"""What processes say to each other: frames, the channels they travel on, and how values keep their type."""
