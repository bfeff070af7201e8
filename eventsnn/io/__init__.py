"""Files: runs, and the atomic writing that everything uses."""

from .atomic import atomic_path, write_json
from .run_file import read_run, save_run

__all__ = ["atomic_path", "read_run", "save_run", "write_json"]
