#!/usr/bin/env python3
"""An echo server and clients of it: generators over one socket2_poll() loop, with ctypes.

usage: echo.py server [port]              serves, and says where
       echo.py client host port text...   a connection for each text; prints what comes back
       echo.py                            both, in one loop
The library is $SOCKET2_LIB, or what the system finds.
"""
import ctypes
import os
import sys
from contextlib import suppress
from ctypes import c_char_p, c_double, c_int, c_size_t, c_void_p

PENDING, CLOSED, NEVER = -1, -2, float('inf')
READ, WRITE, SHUT_WRITE, TCP, INET = 1, 2, 2, 1, 1

C = ctypes.CDLL(os.environ.get('SOCKET2_LIB', 'libsocket2.so.1'))


class Event(ctypes.Structure):
    _fields_ = [(field, ctypes.c_int32) for field in ('handle', 'kind', 'result', 'detail')]


class Addr(ctypes.Structure):
    _fields_ = [('content', ctypes.c_uint64 * 16)]

    def __init__(self, host, port):
        C.socket2_addr_lookup(host.encode(), str(port).encode(), TCP, INET, 0, 0, self, 1, None, 0)


class Error(Exception):
    """An error code of the library, with its message."""


def check(code):
    if code < PENDING:
        raise Error(code, C.socket2_error_message(code).decode())
    return code


def declare(names, *arguments, result=check):
    for name in names.split():
        function = getattr(C, 'socket2_' + name)
        function.argtypes, function.restype = arguments, result


integer, string, size, time, addr_p = c_int, c_char_p, c_size_t, c_double, ctypes.POINTER(Addr)
declare('error_message', integer, result=string)
declare('loop_new')
declare('poll', integer, ctypes.POINTER(Event), integer, time)
declare('addr_lookup', string, string, *[integer] * 4, addr_p, integer, string, size)
declare('addr_port', addr_p)
declare('socket_bind socket_localaddr', integer, integer, addr_p)
declare('tcp_new tcp_listen socket_shutdown', integer, integer, integer)
declare('tcp_accept tcp_connect', integer, integer, addr_p, time)
declare('stream_send stream_recv', integer, integer, c_void_p, size, time)
declare('socket_close', integer, integer)

loop = C.socket2_loop_new()
waiting = {}  # (handle, kind) -> the task that waits for that event


def start(task, result=None):
    """Lets a task, a generator, go on until it waits again."""
    with suppress(StopIteration):
        waiting[task.send(result)] = task


def run():
    """Runs until no task waits any more."""
    events = (Event * 64)()
    while waiting:
        for event in events[:C.socket2_poll(loop, events, len(events), NEVER)]:
            start(waiting.pop((event.handle, event.kind)), event.result)


def operate(kind, function, tcp, *arguments):
    """Waits for an operation and returns what it gives. The frame keeps the memory that it was passed until then."""
    code = function(loop, tcp, *arguments, NEVER)
    return check((yield tcp, kind) if code == PENDING else code)


def listen(port=0):
    listener = C.socket2_tcp_new(loop, INET, 0)
    addr = Addr('127.0.0.1', port)
    C.socket2_socket_bind(loop, listener, addr)
    C.socket2_tcp_listen(loop, listener, -1)
    C.socket2_socket_localaddr(loop, listener, addr)
    start(serve(listener))
    return listener, addr


def recv(tcp):
    buffer = ctypes.create_string_buffer(4096)
    n = yield from operate(READ, C.socket2_stream_recv, tcp, buffer, len(buffer))
    return buffer.raw[:n]


def echo(tcp):
    try:
        while data := (yield from recv(tcp)):
            yield from operate(WRITE, C.socket2_stream_send, tcp, data, len(data))
    except Error as err:
        print('a client:', err.args[1], file=sys.stderr)
    C.socket2_socket_close(loop, tcp)


def serve(listener):
    while True:
        try:
            start(echo((yield from operate(READ, C.socket2_tcp_accept, listener, None))))
        except Error as err:
            if err.args[0] == CLOSED:
                return
            print('accept:', err.args[1], file=sys.stderr)


def talk(addr, data):
    tcp = C.socket2_tcp_new(loop, INET, 0)
    yield from operate(WRITE, C.socket2_tcp_connect, tcp, addr)
    yield from operate(WRITE, C.socket2_stream_send, tcp, data, len(data))
    C.socket2_socket_shutdown(loop, tcp, SHUT_WRITE)
    answer = b''
    while data := (yield from recv(tcp)):
        answer += data
    C.socket2_socket_close(loop, tcp)
    print(answer.decode(), flush=True)


def demo():
    listener, addr = listen()
    for word in (b'hello', b'from Python'):
        yield from talk(addr, word)
    C.socket2_socket_close(loop, listener)


command, *words = sys.argv[1:] or ['both']
try:
    if command == 'server':
        print(f'listening on 127.0.0.1:{C.socket2_addr_port(listen(*words)[1])}', flush=True)
    elif command == 'client':
        for text in words[2:]:
            start(talk(Addr(*words[:2]), text.encode()))
    else:
        start(demo())
    run()
except Error as err:
    sys.exit(f'echo: {err.args[1]}')
