"""Monitor: holds every commitment of a case to its deadlines, and alerts the supervisor."""
