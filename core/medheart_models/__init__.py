"""Reading tasks: what models do, how images are prepared for them, how they are trained and run."""
