"""A department that gives recorded answers, each at its recorded time. `onedoor replay` uses it."""
