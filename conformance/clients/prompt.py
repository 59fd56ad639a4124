# Answers the one prompt of a command: prompt.py PROMPT ANSWER COMMAND... . Ends as the command did.
import os
import pty
import sys
import termios
import time

prompt, answer, command = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)


def wait_for_silence(terminal):
    """Waits until the terminal shows nothing of what is typed: nobody types before they have read the prompt."""
    deadline = time.monotonic() + 30
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        if time.monotonic() > deadline:
            sys.exit("the terminal goes on showing what is typed")
        os.sched_yield()


seen = b""
answered = False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # the command has closed its terminal
        break
    if not part:
        break
    seen += part
    if not answered and prompt in seen:
        wait_for_silence(terminal)
        os.write(terminal, answer + b"\n")
        answered = True
sys.stdout.write(seen.decode(errors="replace"))
if not answered:
    sys.exit("the command did not ask")
if answer in seen:
    sys.exit("the answer was shown")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
