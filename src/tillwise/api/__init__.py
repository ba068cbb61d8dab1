"""The HTTP door: parse, call the app, map errors."""
