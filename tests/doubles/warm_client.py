"""Have the server of tests/doubles/warm.py run a command on these streams, and end as the command does."""

import json
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    request = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]) + "\n"  # noqa: PTH109 pathlib takes long to import
    socket.send_fds(server, [request[:1].encode()], [0, 1, 2])
    server.sendall(request[1:].encode())
    for stream in range(3):
        os.close(stream)
    status = os.waitstatus_to_exitcode(int(server.recv(16) or 9))
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
