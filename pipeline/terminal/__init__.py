"""What a person at a terminal sees while the engine runs. Nothing here knows an engine."""
