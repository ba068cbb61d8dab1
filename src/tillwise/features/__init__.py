"""What do we know: features declared once and computed twice, online and offline, bit for bit the same."""
