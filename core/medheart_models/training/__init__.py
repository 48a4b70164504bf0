"""Training, evaluation and export of networks. Needs torch; nothing of inference imports it."""
