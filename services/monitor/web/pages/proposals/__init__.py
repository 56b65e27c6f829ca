"""The pages of proposals: changes of rules, calendars and directory that wait for a second person."""
