"""What an operator's commands do: dead letters, and the table of all settings."""
