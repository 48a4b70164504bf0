"""The parts of the module: parameters, logic and widget, and what carries them."""
