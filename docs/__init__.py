"""Documents beside the README, and the program that writes one of them."""
