"""A small FTP server over files in memory. Prints its port; appends every command that it gets to the file argv[1].

USER PASS (the password "wrong" is wrong) TYPE CWD PASV EPSV PORT EPRT RETR STOR APPE NLST SIZE DELE NOOP QUIT.
The names "big" (20 MB) and "empty" are there; "missing" is not; "full" cannot be stored (552 at once); "broken"
fails after some bytes. STOR keeps what came, and RETR gives it back. "STAT name" is like RETR, but its data is in
the reply.
"""

import socket
import sys
import threading

log_lock = threading.Lock()
files = {'empty': b'', 'hello': b'hello\r\nworld\r\n', 'big': bytes(i * 7 % 251 for i in range(1 << 16)) * 305}


def heard(line):
    with log_lock, open(sys.argv[1], 'a', encoding='latin-1') as f:
        f.write(line + '\n')


class Session:
    def __init__(self, sock):
        self.sock, self.lines = sock, sock.makefile('r', encoding='latin-1', newline='\r\n')
        self.listener = self.target = None
        self.cwd = '/'

    def reply(self, text):
        self.sock.sendall(text.encode('latin-1') + b'\r\n')

    def listen(self):
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(1)
        self.target = None
        return self.listener.getsockname()[1]

    def data(self):
        if self.target:
            sock = socket.create_connection(self.target, 10)
        else:
            self.listener.settimeout(10)
            sock, _ = self.listener.accept()
            self.listener.close()
        sock.settimeout(10)
        self.listener = self.target = None
        return sock

    def send(self, name, content):
        if content is None:
            return self.reply('550-no such file\r\n550 ' + name)
        self.reply('150 here it comes')
        sock = self.data()
        sock.sendall(content)
        sock.close()
        self.reply('226 done')

    def store(self, name, before=b''):
        if name == 'full':
            return self.reply('552 no space')
        self.reply('150 go on')
        sock, content = self.data(), bytearray(before)
        while True:
            data = sock.recv(65536)
            if not data:
                break
            content.extend(data)
            if name == 'broken':
                self.reply('426 broken')
                return sock.close()
        sock.close()
        files[name] = bytes(content)
        self.reply('226 stored')

    def run(self):
        self.reply('220-small\r\n220 server')
        for line in self.lines:
            line = line.rstrip('\r\n')
            heard(line)
            word, _, arg = line.partition(' ')
            word = word.upper()
            if word == 'USER':
                self.reply('230 in' if arg == 'nopass' else '331 password?')
            elif word == 'PASS':
                self.reply('530 no' if arg == 'wrong' else '230 in')
            elif word == 'TYPE':
                self.reply('200 type' if arg.lower() in ('a', 'i') else '501 type?')
            elif word == 'CWD':
                self.reply('250 there')
            elif word == 'PASV':
                port = self.listen()
                self.reply('227 Entering Passive Mode (127,0,0,1,%d,%d).' % (port >> 8, port & 255))
            elif word == 'EPSV':
                self.reply('229 Entering Extended Passive Mode (|||%d|)' % self.listen())
            elif word == 'PORT':
                n = [int(x) for x in arg.split(',')]
                self.target = ('.'.join(map(str, n[:4])), n[4] * 256 + n[5])
                self.reply('200 port')
            elif word == 'EPRT':
                _, family, host, port, _ = arg.split(arg[0])
                self.target = (host, int(port))
                self.reply('200 eprt')
            elif word == 'RETR':
                self.send(arg, files.get(arg))
            elif word == 'STOR':
                self.store(arg)
            elif word == 'APPE':
                self.store(arg, files.get(arg, b''))
            elif word == 'NLST':
                self.send(arg, ''.join(name + '\r\n' for name in sorted(files)).encode())
            elif word == 'STAT':
                self.reply('213-status\r\n ' + arg + '\r\n213 end')
            elif word == 'SIZE':
                self.reply('213 %d' % len(files[arg]) if arg in files else '550 ' + arg)
            elif word == 'DELE':
                self.reply('250 gone' if files.pop(arg, None) is not None else '550 ' + arg)
            elif word == 'NOOP':
                self.reply('200 ok')
            elif word == 'QUIT':
                self.reply('221 bye')
                break
            else:
                self.reply('502 what?')


def serve(sock):
    try:
        Session(sock).run()
    except OSError:
        pass
    finally:
        sock.close()


server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen(16)
print(server.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
