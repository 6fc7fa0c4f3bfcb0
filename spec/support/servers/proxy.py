"""A tiny HTTP proxy: requests in absolute form, one per connection, and tunnels. Prints its port.

Answers 407 when it is asked without "Proxy-Authorization: Basic cDpx" (p:q) and argv[1] is "auth".
"""

import socket
import sys
import threading
import urllib.parse


def pour(source, sink):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(sock):
    head = b''
    while b'\r\n\r\n' not in head:
        data = sock.recv(65536)
        if not data:
            return
        head += data
    head, _, rest = head.partition(b'\r\n\r\n')
    lines = head.decode('latin-1').split('\r\n')
    method, uri, version = lines[0].split(' ')
    if 'auth' in sys.argv and 'proxy-authorization: basic cdpx' not in head.decode('latin-1').lower():
        sock.sendall(b'HTTP/1.1 407 Who?\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
        sock.close()
        return
    if method == 'CONNECT':
        host, _, port = uri.rpartition(':')
        server = socket.create_connection((host.strip('[]'), int(port)), 10)
        sock.sendall(b'HTTP/1.1 200 Connected\r\n\r\n')
        threading.Thread(target=pour, args=(sock, server), daemon=True).start()
        pour(server, sock)
        sock.close()
        server.close()
        return
    to = urllib.parse.urlsplit(uri)
    path = to.path + ('?' + to.query if to.query else '')
    headers = [line for line in lines[1:] if not line.lower().startswith(('proxy-', 'connection:'))]
    head = '\r\n'.join(['%s %s %s' % (method, path, version)] + headers + ['Via: 1.1 tiny', 'Connection: close'])
    server = socket.create_connection((to.hostname, to.port or 80), 10)
    server.sendall(head.encode('latin-1') + b'\r\n\r\n' + rest)
    threading.Thread(target=pour, args=(sock, server), daemon=True).start()
    pour(server, sock)
    sock.close()
    server.close()


server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen(16)
print(server.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
