"""What is measured is in __main__; the last figures, with their machine, in results.md."""
