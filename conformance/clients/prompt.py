# Answers the one prompt of a command: prompt.py PROMPT ANSWER COMMAND... . Ends as the command did.
import os
import pty
import sys

prompt, answer, command = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)

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
        os.write(terminal, answer + b"\n")
        answered = True
sys.stdout.write(seen.decode(errors="replace"))
if not answered:
    sys.exit("the command did not ask")
if answer in seen:
    sys.exit("the answer was shown")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
