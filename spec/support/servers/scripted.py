"""A TCP server that follows a script, one connection after the other, and notes what it receives.

Prints the port that it serves, and the control port. A control connection sends lines and gets one line back:

    script      forget everything; the next lines are the steps; an empty line ends them; -> "ok"
    log         -> what each connection sent, as words; "-" for nothing; connections that are
                still open are waited for, 5 s at most, and end in "!" then

Steps (texts are %-escaped):

    connection      a connection's steps begin
    head            receive until an empty line
    line            receive until the end of a line
    body N          receive N bytes
    until TEXT      receive until the text came
    eof             receive until the peer has closed
    send TEXT       send it
    drip TEXT       send it byte by byte
    fill N          send N bytes "x"
    flood TEXT      send it again and again until the peer has closed
    reset           close by a reset, at once
    hold            neither send nor close: wait until the peer has closed

After the last step the sending side is closed, and what the peer still sends is received. A connection
without a script is closed at once.
"""

import socket
import struct
import sys
import threading
import time
import urllib.parse

lock = threading.Condition()
scripts, logs, alive, marks = [], [], set(), set()


class Gone(Exception):
    pass


class Connection:
    def __init__(self, sock, log):
        self.sock, self.log, self.seen = sock, log, 0
        sock.settimeout(20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise Gone
        self.log.extend(data)

    def until(self, text):
        while True:
            i = self.log.find(text, self.seen)
            if i >= 0:
                self.seen = i + len(text)
                return
            self.more()

    def run(self, steps):
        for step in steps:
            word, _, arg = step.partition(' ')
            arg = urllib.parse.unquote_to_bytes(arg)
            if word == 'head':
                self.until(b'\r\n\r\n')
            elif word == 'line':
                self.until(b'\n')
            elif word == 'until':
                self.until(arg)
            elif word == 'body':
                self.seen += int(arg)
                while len(self.log) < self.seen:
                    self.more()
            elif word in ('eof', 'hold'):
                while True:
                    self.more()
            elif word == 'send':
                self.sock.sendall(arg)
            elif word == 'drip':
                for byte in arg:
                    self.sock.sendall(bytes([byte]))
            elif word == 'fill':
                self.sock.sendall(b'x' * int(arg))
            elif word == 'flood':
                data = arg * (65536 // len(arg) + 1)
                while True:
                    self.sock.sendall(data)
            elif word == 'reset':
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                self.sock.close()
                return
            else:
                raise ValueError(step)
        self.sock.shutdown(socket.SHUT_WR)
        while True:
            self.more()


def serve(sock, steps, log):
    try:
        Connection(sock, log).run(steps)
    except (Gone, OSError):
        pass
    finally:
        sock.close()
        with lock:
            alive.discard(sock)
            lock.notify_all()


def accept(server):
    while True:
        sock, peer = server.accept()
        with lock:
            if peer in marks:
                marks.discard(peer)
                lock.notify_all()
                sock.close()
                continue
            log = bytearray()
            logs.append(log)
            steps = scripts.pop(0) if scripts else []
            alive.add(sock)
        threading.Thread(target=serve, args=(sock, steps, log), daemon=True).start()


def catch_up():
    """Returns when all connections that were made before are accepted: after one of its own is."""
    mark = socket.socket()
    mark.bind(('127.0.0.1', 0))
    with lock:
        marks.add(mark.getsockname())
    mark.connect(served.getsockname())
    with lock:
        lock.wait_for(lambda: mark.getsockname() not in marks, 5)
    mark.close()


def control(sock):
    lines = sock.makefile('rw', encoding='latin-1', newline='\n')
    command = lines.readline().strip()
    catch_up()
    if command == 'script':
        told = []
        for line in iter(lambda: lines.readline().rstrip('\n'), ''):
            if line == 'connection':
                told.append([])
            else:
                told[-1].append(line)
        with lock:
            scripts[:], logs[:] = told, []
            alive.clear()
        lines.write('ok\n')
    elif command == 'log':
        deadline = time.monotonic() + 5
        with lock:
            while alive and time.monotonic() < deadline:
                lock.wait(0.1)
            words = [urllib.parse.quote(bytes(log)) or '-' for log in logs]
            lines.write(' '.join(words) + ('!' if alive else '') + '\n')
    lines.flush()
    sock.close()


def listen():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('127.0.0.1', 0))
    server.listen(64)
    return server


served, controlled = listen(), listen()
print(served.getsockname()[1], controlled.getsockname()[1], flush=True)
threading.Thread(target=accept, args=(served,), daemon=True).start()
try:
    while True:
        control(controlled.accept()[0])
except KeyboardInterrupt:
    sys.exit(0)
