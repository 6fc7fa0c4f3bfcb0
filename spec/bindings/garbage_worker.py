"""A worker, which makes the calls."""
import collections
import ctypes
import os
import random
import socket
import sys
import time

from garbage_arguments import any_number, closing_loop, any_loop_of_process, loop, roomy_loop
from garbage_library import *
from garbage_rules import CHANNEL_, LOOKUP_, RULES, SIGNAL_, TCP_, TIMER_

LOOP_ARGUMENTS = (loop, roomy_loop, closing_loop, any_loop_of_process)
NAMES = sorted(set(RULES) - {'loop_new'})


class Worker:
    """Calls, one after the other, in one thread; the same ones for the same seed, as far as the system
    answers the same."""

    def __init__(self, seed, index, trace):
        self.random = random.Random(f'{seed} {index}')
        self.trace = trace
        self.loops, self.stale_loops, self.stale = [], [], []
        self.others = []  # loops of other threads
        self.numbers = [self.random.randint(INT_MIN, INT_MAX) for _ in range(256)]
        self.strings, self.next_string = [None] * 64, 0
        # None of this is ever freed or made anew, because pending operations may still use it.
        self.memory = [ctypes.create_string_buffer(n) for n in (1, 7, 100, 1000, 65536)]
        self.slices = (Slice * 5)(*(Slice(ctypes.addressof(m), len(m)) for m in self.memory))
        self.texts = [ctypes.create_string_buffer(n) for n in (1, 5, 16, 192)]
        self.outs = [(ctypes.c_uint64 * 16)() for _ in range(16)]
        self.found = (ctypes.c_uint64 * 16 * 2)()
        self.events = (Event * 16)()
        self.handles, self.fds = (ctypes.c_int * 4)(), (ctypes.c_ssize_t * 4)()
        self.functions = (ctypes.c_void_p * 8)()
        self.number = ctypes.c_int64()
        self.addrs = [self.address(*a) for a in (
            (b'127.0.0.1', b'0', TCP, INET), (b'127.0.0.1', b'1', TCP, INET), (b'::1', b'0', TCP, INET6),
            (b'::1', b'1', UDP, INET6), (b'239.1.2.3', b'0', UDP, INET), (b'ff01::1234', b'0', UDP, INET6),
            (b'@socket2-garbage-%d-%d' % (os.getpid(), index), None, TCP, UNIX))]
        self.addrs += [self.bad_address(i) for i in range(9)]
        self.kept = list(self.addrs)
        pair = socket.socketpair()
        for s in pair:
            s.setblocking(False)
        self.stirred = [*os.pipe2(os.O_NONBLOCK), *(s.detach() for s in pair), os.eventfd(0, os.EFD_NONBLOCK)]
        self.own = self.stirred + [os.open('/dev/null', os.O_RDWR), os.open('/', os.O_RDONLY),
                                   os.open('/dev/zero', os.O_RDWR)]
        self.history = collections.deque(maxlen=20)
        self.counts = collections.Counter()
        self.current = ''
        self.on(None)

    # ---- chance ----

    def below(self, n):
        return int(self.random.random() * n)

    def one_in(self, n):
        return self.random.random() * n < 1

    def pick(self, values):
        return values[int(self.random.random() * len(values))]

    now = staticmethod(C['clock'])

    def stale_loop(self):
        return self.pick(self.stale_loops) if self.stale_loops and self.one_in(2) else any_number(self)

    def stale_handle(self):
        return self.pick(self.stale) if self.stale and self.one_in(2) else any_number(self)

    def address(self, host, port, kind_of_it, family_of_it):
        found = (ctypes.c_uint64 * 16)()
        n = C['addr_lookup'](ctypes.cast(host, ctypes.c_void_p), ctypes.cast(port, ctypes.c_void_p),
                             kind_of_it, family_of_it, 0, 0, ctypes.addressof(found), 1, 0, 0)
        if n != 1:
            raise Wrong(f'no address of {host}: {n}')
        return found

    def bad_address(self, i):
        """Not like an address at all, or one that differs only behind its IPv4 part."""
        addr_of_it = (ctypes.c_uint64 * 16)()
        content = bytearray(self.random.randbytes(128)) if i % 3 == 0 else bytearray(self.addrs[1])
        if i % 3 == 1:
            content[16 + self.below(112)] = self.below(256)
        elif i % 3 == 2:
            content = bytes([self.pick((0, 0, 1, 255))]) * 128
        ctypes.memmove(addr_of_it, bytes(content), 128)
        return addr_of_it

    # ---- calls ----

    def on(self, loop_of_it):
        """Chooses what the next call is about."""
        self.loop, self.handle, self.kinds = loop_of_it, None, None
        self.may_be_bad = self.may_be_good = self.must_fail = False

    def expect(self, condition, what):
        if not condition:
            raise Wrong(f'{what}: {self.current}')

    def fits(self):
        if self.handle is None:
            return self.loop is not None
        return self.loop is not None and self.loop.live.get(self.handle) in self.kinds

    def forget(self, loop_of_it, handle):
        del loop_of_it.live[handle]
        loop_of_it.ids.pop(handle, None)
        loop_of_it.borrowed.discard(handle)
        self.stale.append(handle)
        del self.stale[:-64]

    def perform(self, name, *values):
        self.values = values
        self.current = f'socket2_{name}{values}'
        self.counts[name] += 1
        if self.trace:
            print(self.current, file=sys.stderr, flush=True)
        self.history.append(self.current)
        result = C[name](*values)
        self.current += f' -> {result!r}'
        self.history[-1] = self.current
        if C[name].restype is ctypes.c_int:
            self.check(name, result, values)
        RULES[name].after(self, result)
        return result

    def check(self, name, result, values):
        self.expect(result >= PENDING or result in CODES, 'no documented answer')
        takes_loop = RULES[name].arguments[:1] and RULES[name].arguments[0] in LOOP_ARGUMENTS
        if takes_loop and not self.may_be_good and not self.fits():
            self.expect(result == EBADHANDLE, 'a bad handle is taken')
        elif not self.may_be_bad:
            self.expect(result != EBADHANDLE, 'a good handle is not taken')
        self.expect(result < PENDING or not self.must_fail, 'a bad argument is taken')
        if result == PENDING:
            kind_of_it = RULES[name].pends
            self.expect(kind_of_it, 'nothing can be pending here')
            key = self.handle, values[2] if kind_of_it == 'kind' else kind_of_it
            self.expect(key not in self.loop.pending, 'two operations of a kind')
            self.loop.pending[key] = name == 'tcp_accept'

    def call(self, name):
        self.on(None)
        values = []
        try:
            for argument in RULES[name].arguments:
                values += argument(self)
        except Skip:
            return self.call('poll')
        if len(values) != len(C[name].argtypes):
            raise Wrong(f'the rule of {name} gives {len(values)} arguments')
        return self.perform(name, *values)

    def connect(self):
        """Makes a connection, because random calls alone rarely do."""
        if not self.loops:
            return
        at = self.pick(self.loops)
        if len(at.live) > ROOM - 3:
            return
        ends = []
        for _ in range(2):
            self.on(at)
            ends.append(self.perform('tcp_new', at.handle, INET, 0))
        listener, client = ends
        self.kept.append((ctypes.c_uint64 * 16)())
        addr_of_it = ctypes.addressof(self.kept[-1])

        def on(handle):
            self.on(at)
            self.handle, self.kinds = handle, (TCP_,)
            return at.handle, handle
        self.perform('socket_bind', *on(listener), ctypes.addressof(self.addrs[0]))
        self.perform('tcp_listen', *on(listener), 5)
        self.perform('socket_localaddr', *on(listener), addr_of_it)
        self.perform('tcp_accept', *on(listener), 0, NEVER)
        self.perform('tcp_connect', *on(client), addr_of_it, NEVER)
        self.addrs[8 + self.below(8)] = self.kept[-1]

    def stir(self):
        """Makes something readable, or stops that."""
        try:
            fd_of_it = self.pick(self.stirred)
            if self.one_in(2):
                os.write(fd_of_it, (1).to_bytes(8, 'little'))
            else:
                os.read(fd_of_it, 65536)
        except OSError:
            pass

    def step(self, i):
        """Makes at least one call."""
        if i % 13 == 0:
            self.stir()
        if i % 101 == 0:
            self.connect()
        if i % 8 == 0:
            self.call('poll')
        elif i % 17 == 0:
            self.call('channel_send' if self.one_in(2) else 'channel_recv')
        elif len(self.loops) < LOOPS:
            self.call('loop_new')
        else:
            self.call(self.pick(NAMES))

    def end(self):
        """Checks that pending operations have their events when their handles are closed."""
        for at in list(self.loops):
            for handle, kind_of_it in list(at.live.items()):
                self.on(at)
                self.handle, self.kinds = handle, (kind_of_it,)
                of_its_own = kind_of_it in (TIMER_, LOOKUP_, CHANNEL_, SIGNAL_)
                self.perform((kind_of_it if of_its_own else 'socket') + '_close', at.handle, handle)
            limit = time.monotonic() + 20
            while at.pending and time.monotonic() < limit:
                self.on(at)
                self.perform('poll', at.handle, ctypes.addressof(self.events), 16, self.now() + 1)
            self.expect(not at.pending, f'events that never came: {at.pending}')
            self.on(at)
            self.perform('loop_close', at.handle)
        for fd_of_it in self.own:
            os.close(fd_of_it)
