"""Learning and judging: from a built data set to a run folder."""
