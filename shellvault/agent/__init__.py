"""The agent: one small process per user that holds sessions."""
