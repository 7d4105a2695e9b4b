"""Reports of an evaluation: terminal table, JSON file, page with plots. `cli` imports `files` and `table`."""
