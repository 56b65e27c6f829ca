"""The lists of what falls due and of what is overdue, and the acknowledgement of several alerts at once."""
