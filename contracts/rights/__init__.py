"""Rights: the roles of people and programs, their acts, and the part of the work for which each right holds."""
