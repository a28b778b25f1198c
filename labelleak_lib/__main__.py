"""`python -m labelleak_lib` is the command `labelleak`."""

import sys

from labelleak_lib.command import main

sys.exit(main())
