"""What a command serves for as long as it runs: an EC2 metadata service, and a way to the agent's endpoint."""
