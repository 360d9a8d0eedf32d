"""``shoal plan``, and plans as they are told in text, data and Markdown."""
