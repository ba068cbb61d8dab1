"""The doctor: one file per thing it looks at; `examine` asks them all."""

from tillwise.app.doctor.examine import examine
from tillwise.app.doctor.finding import Finding

__all__ = ["Finding", "examine"]
