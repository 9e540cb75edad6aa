"""Runs commands with a terminal as standard output and standard error, and passes on what it shows.

Standard input is a JSON list of {"args": [...], "input": "..."}; standard output a list of
{"code": n, "shown": "..."}, a character for each byte that was shown.
"""

import json
import os
import subprocess
import sys
import termios


def run(args, text):
    master, slave = os.openpty()
    # Line breaks come as they were written.
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    child = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        child.stdin.write(text.encode())
        child.stdin.close()
    except BrokenPipeError:
        pass
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    return {"code": child.wait(), "shown": shown.decode("latin-1")}


json.dump([run(job["args"], job["input"]) for job in json.load(sys.stdin)], sys.stdout)
