"""What talks with a person: the terminal, questions, tables, progress, and the output of results."""
