"""What is measured is in __main__, deployment and planner; the last figures, with their machine, in the .md files."""
