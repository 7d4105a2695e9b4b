"""An evaluation as a terminal table, a page and plots."""
