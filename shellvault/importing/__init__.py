"""Taking over keys that lie elsewhere: what other tools store, and what stands in plaintext."""
