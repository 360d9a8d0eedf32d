"""What a run is to do, as data: pools and steps, and the plan files they are read from. Starts nothing."""
