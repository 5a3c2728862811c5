"""Link prediction: find the other end of held-out edges."""
