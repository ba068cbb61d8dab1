"""The composition root: the one place that builds a shop's parts and wires them together."""

from tillwise.app.build import App, build_app

__all__ = ["App", "build_app"]
