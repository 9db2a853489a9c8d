"""What users do, on its way into the cluster: checked, made safe on disk, and written in the background."""
