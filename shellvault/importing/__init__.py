"""Imports keys from the stores of other tools and from plaintext."""
