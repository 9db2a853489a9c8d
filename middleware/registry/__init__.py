"""The registry of trained models: versions in a folder, aliases that point at them, and who follows those."""
