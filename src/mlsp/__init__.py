"""Give photos the score that people would give them."""
