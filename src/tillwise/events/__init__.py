"""What happened: event types, validation, imports, and the append-only log."""
