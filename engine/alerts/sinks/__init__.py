"""Where alerts go besides the stream and the database: standard error, a command, a webhook."""
