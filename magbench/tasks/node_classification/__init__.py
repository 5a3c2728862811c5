"""Node classification: name the class of held-out nodes."""
