"""What the services have agreed on: messages, topics, plans and lawful time.

Nothing here imports another package of onedoor, and nothing here reads a clock, a file or a network.
"""
