"""Pages of monitor: the board of departments, and the commitments behind its figures."""
