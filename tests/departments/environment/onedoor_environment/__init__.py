"""The environment department (生态环境局): a plain REST interface with an API key."""
