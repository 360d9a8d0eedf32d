"""Who may touch what, proved free of conflicts before anything runs, and in which order work comes together. Pure."""
