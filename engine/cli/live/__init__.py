"""Commands about runs that are going on: looked at, asked, steered."""
