"""What a run measures of itself: plain stores on the fleet's thread, counted with numpy once somebody wants to see."""
