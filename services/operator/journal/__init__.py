"""``onedoor journal``: exports of monitor's journal, and their check."""
