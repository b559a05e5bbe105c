"""The worker: the process that holds long-term keys for as long as one step takes, run by the agent alone."""
