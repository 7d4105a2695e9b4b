"""Public collections of rated photos: one file each, from the files as their authors publish them to a rating table."""
