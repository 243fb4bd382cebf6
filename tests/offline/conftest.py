"""What of the runs' tests can't be tried everywhere."""

import tempfile
from pathlib import Path

from small_disks import can_mount

# Without the right to mount, a limit on the size of files is what is left: tests/offline/test_file_limits.py.
collect_ignore = [] if can_mount(Path(tempfile.mkdtemp()) / "disk") else ["test_full_disk.py"]
