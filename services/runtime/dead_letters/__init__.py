"""Dead letters: their content for people to read, and how operators settle them."""
