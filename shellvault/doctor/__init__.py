"""What is wrong here, and what to do: checks that read, and mends that are safe. No check shows a secret."""
