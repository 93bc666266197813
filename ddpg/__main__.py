import signal
import sys

from ddpg.cli import main
from ddpg.errors import Interrupted
from ddpg.stopping import SIGNALS

code = main()
if code == Interrupted.exit_code:
    # All is saved. A scheduler may repeat its signal while Python exits, and the exit code would be
    # that of a run that was killed.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
sys.exit(code)
