"""Requests are handled here: a session, a sign-in, an operation on the vault, with the agent and without it."""
