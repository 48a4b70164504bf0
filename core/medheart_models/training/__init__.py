"""Training, evaluation and export of networks; nothing of inference imports it.

Needs torch, but for `recipe`, `selection` and `progress`, which those who only ask for a training read, too.
"""
