"""What is told to the recorder, and what is known from before."""
