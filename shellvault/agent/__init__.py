"""The agent: one small process a user that holds sessions, and what talks to it."""
