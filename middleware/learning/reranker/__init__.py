"""Training of cross-encoders: recipe, losses, batches, checkpoints, students."""
