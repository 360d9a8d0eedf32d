"""How soon a death, or a value beyond a bound, is an alert on the stream, and whether each death is counted once."""
