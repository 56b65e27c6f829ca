"""What is wrong with a case, from everything on record of it. Pure."""
