"""What is written about the project beside the README, and what writes it."""
