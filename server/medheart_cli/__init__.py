"""`medheart …`: parses, calls, prints; nothing else. One file per verb in `verbs`, imported when it is used."""
