"""Artefacts from a run folder, and everything that runs them. Never imports the trainer."""
