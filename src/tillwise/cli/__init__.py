"""The command-line door: parse, call the app, print."""
