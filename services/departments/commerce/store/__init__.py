"""All SQL of the exchange tables: their definition, and what the adapter and the sandbox do with them."""
