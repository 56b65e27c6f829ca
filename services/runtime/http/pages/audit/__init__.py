"""The pages of auditors, which every service has: its record of access, and its journal."""
