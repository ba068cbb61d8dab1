"""Who may call: keys, scopes and their expiry."""
