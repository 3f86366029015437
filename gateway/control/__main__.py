"""`python -m gateway.control`: the control plane's process, started by the supervisor."""

import signal
import sys

# A reload that is asked for while modules are still being loaded would end the process; the file is read anyway then.
signal.signal(signal.SIGHUP, signal.SIG_IGN)


def main() -> int:
    """The exit code."""
    from gateway.control.process import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
