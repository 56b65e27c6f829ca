"""The contracts between the services: messages, topics, plans and lawful time.

This package imports no other package of onedoor, and reads no clock, file or network.
"""
