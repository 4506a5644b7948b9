"""Measurements: __main__, deployment and planner take them; the .md files hold the last figures and their machine."""
