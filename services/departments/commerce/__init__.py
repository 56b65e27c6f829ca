"""The commerce department: exchange tables in a database of its own."""
