"""Checks of an installation, with a remedy for each problem. Checks only read, fixes are safe, no secret is shown."""
