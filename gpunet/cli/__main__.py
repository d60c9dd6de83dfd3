"""`python -m gpunet.cli`: the `gpunet` command."""

import sys

from gpunet.cli import main

sys.exit(main())
