"""What each of several mechanisms brings, by itself and beside the others. Pure."""
