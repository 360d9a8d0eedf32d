"""Where alerts go besides the stream and the database: a command, a webhook."""
