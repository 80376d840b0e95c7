"""Reports of the post room: what was sent, who cannot be reached, and what came before each cut."""
