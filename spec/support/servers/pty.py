"""A device at the end of a serial line: a pseudo-terminal in raw mode that answers in capitals.

Prints the path of the line; "hangup" closes it, and then 'gone' is printed.
"""

import os
import tty

master, slave = os.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
while True:
    data = os.read(master, 4096)
    if b'hangup' in data:
        break
    while data:
        data = data[os.write(master, data.upper()):]
os.close(master)
print('gone', flush=True)
