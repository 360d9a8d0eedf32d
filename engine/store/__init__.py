"""The memory of the product: the recorder process that writes runs to SQLite, and the questions asked of that file."""
