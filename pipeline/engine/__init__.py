"""The engines: they move arrays between the stages and do no arithmetic."""
