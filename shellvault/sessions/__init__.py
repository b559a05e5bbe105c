"""A plan becomes a session: calls to AWS, MFA codes, helper processes, caches, locks."""
