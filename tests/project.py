"""Where the project lies whose tests these are, also where the library is installed elsewhere."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
