"""What may be known of people, shown to them, and taken away: consent, export, erasure, retention."""
