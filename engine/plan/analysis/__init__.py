"""What follows from a plan by itself: how long it takes at the least, what that hangs on, what may wait. Pure."""
