"""The AWS management console, opened with a session: the sign-in token and the links. Starts no browser."""
