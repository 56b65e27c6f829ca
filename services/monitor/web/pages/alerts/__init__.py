"""The list of alerts, the record of one of them, and the actions on it: acknowledge, appeal, decide."""
