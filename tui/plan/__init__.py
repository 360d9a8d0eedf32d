"""A plan on the screen: what is known of its steps, as a tree, on a chart of time, and in words."""
