"""What a command uses to reach the agent: finding it, starting it, asking it."""
