"""A department whose answers are on record: it gives each at the time at which it was given. For replays."""
