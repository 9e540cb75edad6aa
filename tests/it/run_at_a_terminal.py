"""Types at a terminal at which `coord run` runs, as a shell with job control has it there."""

import os
import pty
import signal
import sys
import termios
import time

COORD = sys.argv[1]
COMMAND = r"""
import os, signal, sys, time
tty = os.open("/dev/tty", os.O_RDWR)
deadline = time.time() + 5
while os.tcgetpgrp(tty) != os.getpgrp():
    if time.time() > deadline:
        sys.exit("the command is not in the foreground")
    time.sleep(0.01)
signal.signal(signal.SIGCONT, lambda *_: print("went on", flush=True))
print("ready", flush=True)
print("read", sys.stdin.readline().strip(), flush=True)
while True:
    time.sleep(0.01)
"""


def shell():
    """The leader of the session: it starts a job, tells how it ends or stops, and who has the terminal then."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        run = ["coord", "run", "--file", "src", "--kill-grace", "200ms", "--"]
        os.execv(COORD, run + [sys.executable, "-c", COMMAND])
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        given_back = "given back" if os.tcgetpgrp(0) == job else "not given back"
        os.tcsetpgrp(0, os.getpgrp())
        if not os.WIFSTOPPED(status):
            print("ended", os.waitstatus_to_exitcode(status), given_back, flush=True)
            os._exit(0)
        print("stopped", given_back, flush=True)
        time.sleep(0.2)
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)


def main():
    pid, terminal = pty.fork()
    if pid == 0:
        shell()
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    shown = ""

    def expect(text):
        nonlocal shown
        while text not in shown:
            try:
                part = os.read(terminal, 4096).decode()
            except OSError:
                part = ""
            if not part:
                sys.exit(f"{text!r} does not come after {shown!r}")
            shown += part
        shown = shown.split(text, 1)[1]

    signal.alarm(40)
    expect("ready")
    os.write(terminal, b"words\n")
    expect("read words")
    os.write(terminal, b"\x1a")  # Ctrl-Z
    expect("stopped given back")
    expect("went on")
    os.write(terminal, b"\x03")  # Ctrl-C
    expect("ended ")
    expect(" given back")
    os.waitpid(pid, 0)
    print("ok")


main()
