"""The web page: what the shop decided, opened up step by step."""
