#!/usr/bin/env python3
"""Every function of capi/socket2.h, called from Python with whatever a program could get wrong: handles
that are stale, of another loop, of another kind or made up, wild numbers and lengths, null pointers,
memory that is no address. Nothing may crash, hang or answer what the header does not name; a bad handle
is always recognized, and every pending operation has one event. (spec/capi/garbage_test.c looks closer
at what good arguments do.) A second thread does the same on loops of its own.

usage: garbage.py [CALLS [SEED [trace]]]    trace: each call goes to stderr before it is made
It makes fewer calls when they would take longer than four minutes.
"""
import collections
import ctypes
import faulthandler
import os
import random
import re
import socket
import sys
import threading
import time

HEADER = os.path.join(os.path.dirname(__file__), '../../capi/socket2.h')
TYPES = {'int': ctypes.c_int, 'double': ctypes.c_double, 'size_t': ctypes.c_size_t,
         'intptr_t': ctypes.c_ssize_t, 'const char*': ctypes.c_char_p, 'const void*': ctypes.c_void_p}

header = re.sub(r'/\*.*?\*/', '', open(HEADER).read(), flags=re.S)
constants = {name: int(value) for name, value in re.findall(r'SOCKET2_(\w+) = (-?\d+)', header)}
globals().update(constants)
CODES = {value for name, value in constants.items() if name.startswith('E') and value < 0}
NEVER, NAN = float('inf'), float('nan')
INT_MAX, INT_MIN, SIZE_MAX = 2**31 - 1, -2**31, 2**64 - 1
LOOPS, ROOM = 3, 60

library = ctypes.CDLL(os.environ.get('SOCKET2_LIB', 'libsocket2.so.1'))


def declared():
    """name -> function, as the header declares it; pointers that are passed are plain numbers."""
    functions = {}
    for result, name, arguments in re.findall(
            r'SOCKET2_API ([\w ]+?\**) ?socket2_(\w+)\(([^)]*)\);', header):
        function = library['socket2_' + name]
        types = [re.sub(r' ?\w+$', '', a.strip()) for a in arguments.split(',') if a.strip() != 'void']
        function.argtypes = [ctypes.c_void_p if '*' in t else TYPES[t] for t in types]
        function.restype = TYPES[result]
        functions[name] = function
    return functions


C = declared()


class Event(ctypes.Structure):
    _fields_ = [(field, ctypes.c_int32) for field in ('handle', 'kind', 'result', 'detail')]


class Slice(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('size', ctypes.c_size_t)]


class Wrong(Exception):
    """What came back is not as the header says."""


class Skip(Exception):
    """There is no room for what the call would make."""


class Loop:
    def __init__(self, handle):
        self.handle = handle
        self.live = {}  # handle -> its kind
        self.pending = {}  # (handle, kind) -> whether it is an accept
        self.borrowed = set()  # handles whose descriptor is this test's
        self.ids = {}  # handle of a channel -> its number


# ---- what a call is made of: each gives the values of one or more parameters ----

def any_number(w):
    return w.pick(w.numbers) if w.one_in(4) else w.pick(NUMBERS)


NUMBERS = [0, 1, -1, 2, 3, 4, 7, 64, 127, 128, 255, 256, 1023, 1024, 65535, 65536, INT_MAX, INT_MIN]


def number(w):
    return any_number(w),


def one_of(*values):
    """Mostly these."""
    return lambda w: (any_number(w) if w.one_in(15) else w.pick(values),)


def loop(w):
    w.on(None if w.one_in(20) or not w.loops else w.pick(w.loops))
    return w.loop.handle if w.loop else w.stale_loop(),


def roomy_loop(w):
    """For what makes a handle."""
    handle = loop(w)
    if w.loop and len(w.loop.live) >= ROOM:
        raise Skip
    return handle


def closing_loop(w):
    w.on(w.pick(w.loops) if w.loops and w.one_in(100) else None)
    return w.loop.handle if w.loop else w.stale_loop(),


def any_loop_of_process(w):
    """For socket2_wake(), which takes those of other threads."""
    if not w.one_in(4):
        return loop(w)
    w.on(None)
    w.may_be_bad = w.may_be_good = True
    return w.pick(w.others),


def handle_of(*kinds):
    """Mostly a live one of the loop and of these kinds."""
    def make(w):
        live = w.loop.live if w.loop else {}
        handle = w.stale_handle()
        if live and not w.one_in(10):
            for _ in range(5):
                handle = w.pick(list(live))
                if live[handle] in kinds or w.one_in(10):
                    break
        w.handle, w.kinds = handle, kinds
        return handle,
    return make


def seldom(*kinds, full=INT_MAX):
    """Hardly ever a good one, while the loop has fewer than so many: or nothing would live long."""
    choose = handle_of(*kinds)

    def make(w):
        handle, = choose(w)
        if w.loop and len(w.loop.live) < full and not w.one_in(5):
            w.handle = handle = w.stale_handle()
        return handle,
    return make


def closing(*kinds):
    return seldom(*kinds, full=ROOM * 3 // 4)


TCP_, UDP_, FD_, TIMER_ = 'tcp', 'udp', 'fd', 'timer'
LOOKUP_, CHANNEL_, SIGNAL_ = 'lookup', 'channel', 'signal'
a_socket = handle_of(TCP_, UDP_)
waitable = handle_of(TCP_, UDP_, FD_)
port = handle_of(TCP_, UDP_, FD_, CHANNEL_, SIGNAL_)
tcp, udp, stream = handle_of(TCP_), handle_of(UDP_), handle_of(TCP_, FD_)
lookup, channel, signal = handle_of(LOOKUP_), handle_of(CHANNEL_), handle_of(SIGNAL_)


def some_time(w, *times):
    chosen = w.pick(times)
    w.must_fail |= chosen != chosen
    return chosen,


def deadline(w):
    return some_time(w, NAN, 0, -NEVER, NEVER, 1e300, -1e300, w.now() + 1e-4, w.now() + 1e-3 * w.below(5))


def short_deadline(w):
    return some_time(w, 0, 0, 0, 0, -NEVER, NAN, w.now() + 1e-4)


def seconds(w):
    chosen, = some_time(w, 0, 0, 1e-3, 60, 1e300, NEVER, -1, -NEVER, NAN)
    w.must_fail |= chosen < 0
    return chosen,


def data(w):
    """Memory and how much of it: never more than there is, but for what is checked."""
    if w.one_in(15):
        size = w.pick((0, 1, 100, INT_MAX, SIZE_MAX))
        w.must_fail |= size > 0
        return 0, size
    memory = w.pick(w.memory)
    if w.one_in(20):
        w.must_fail = True
        return ctypes.addressof(memory), w.pick((SIZE_MAX, 2**63, INT_MAX + 1))
    return ctypes.addressof(memory), w.below(len(memory) + 1)


def little(w):
    """Some bytes; what is given again and again must not become much."""
    return ctypes.addressof(w.memory[1]), w.below(len(w.memory[1]) + 1)


def delimiter(w):
    where, size = little(w)
    w.must_fail |= size == 0
    return where, size


def limit(w):
    """Of a buffered read: no more than the memory that such a test may take."""
    n = w.pick((SIZE_MAX, 2**63, INT_MAX + 1)) if w.one_in(20) else w.pick((0, 1, 10, 1000, 100000))
    w.must_fail |= n > INT_MAX
    return n,


def perhaps(argument):
    """The same where null is as good."""
    def make(w):
        must_fail = w.must_fail
        values = argument(w)
        w.must_fail = must_fail
        return values
    return make


def needed_text(w):
    if w.one_in(15):
        w.must_fail = True
        return 0, w.pick((0, 1, 100, INT_MAX, SIZE_MAX))
    memory = w.pick(w.texts)
    return ctypes.addressof(memory), w.below(len(memory) + 1)


text = perhaps(needed_text)


def array(memory):
    """An array of items that fit, and its length."""
    def make(w):
        if w.one_in(15):
            n = any_number(w)
            w.must_fail |= n != 0
            return 0, n
        items = getattr(w, memory)
        n = w.pick((-1, INT_MIN, 0)) if w.one_in(10) else w.below(len(items) + 1)
        w.must_fail |= n < 0
        return ctypes.addressof(items), n
    return make


def memory_of(w, choose, chance):
    if w.one_in(chance):
        w.must_fail = True
        return 0,
    return ctypes.addressof(choose()),


def addr(w):
    return memory_of(w, lambda: w.pick(w.addrs), 20)


def addr_out(w):
    return memory_of(w, lambda: w.pick(w.outs), 10)


def number_out(w):
    return memory_of(w, lambda: w.number, 10)


def keep(w, characters):
    """Its address; only until the call is over."""
    if characters is None:
        w.must_fail = True
        return 0,
    w.strings[w.next_string] = kept = ctypes.create_string_buffer(characters)
    w.next_string = (w.next_string + 1) % len(w.strings)
    return ctypes.addressof(kept),


def garbage_string(w):
    return bytes(1 + w.below(255) for _ in range(w.below(500 if w.one_in(4) else 40)))


def chosen_string(*values):
    return lambda w: keep(w, w.pick(values))


def maybe_string(*values):
    return perhaps(string(*values))


def string(*values):
    return lambda w: keep(w, garbage_string(w) if w.one_in(10) else w.pick(values))


option = string(None, *b'''acceptconn broadcast error keepalive linger rcvbuf sndbuf reuseaddr tcp_nodelay
    tcp_maxseg tcp_keepcnt tcp_congestion tcp_cork v6only hdrincl ttl tos multicast_ttl multicast_loop
    multicast_if bindtodevice incoming_cpu'''.split())
# An unknown congestion control would have the system look for a module.
option_text = chosen_string(None, b'', b'lo', b'reno', b'127.0.0.1', b'1')
ifname = maybe_string(None, b'', b'lo', b'127.0.0.1', b'0.0.0.0', b'1', b'-1')
service = maybe_string(None, b'0', b'80', b'65535', b'65536', b'', b'-1', b'http')
host = maybe_string(None, b'*', b'127.0.0.1', b'::1', b'', b'fe80::1%lo', b'@x', b'/tmp/x', b'a.b')
path = chosen_string(None, b'', b'/', b'/dev/null', b'/dev/ptmx', b'/dev/null/x', b'x' * 5000)
family, kind, type_ = one_of(1, 2, 3), one_of(1, 2), one_of(1, 2, 3)


def protocol(w):
    """Bad ones are few: the system looks for a module for each that it does not know."""
    return w.pick((-1, 256, INT_MAX, INT_MIN)) if w.one_in(50) else w.pick((0, 0, 1, 6, 17)),


def flags(w):
    """Nobody is asked for a name."""
    n = any_number(w) if w.one_in(10) else w.below(256)
    return n | NUMERICHOST | NUMERICSERV,


endpoint = (host, service, type_, family, protocol, flags)


def own_fd(w):
    return w.pick((-1, -2, INT_MIN, INT_MAX, 2**40, 1 << 20) if w.one_in(10) else w.own),


def fd_to_give(w):
    """One that the library may take over."""
    w.given = [os.dup(w.pick(w.own)) if w.one_in(2) else socket.socket(
        w.pick((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)),
        w.pick((socket.SOCK_STREAM, socket.SOCK_DGRAM))).detach()]
    return w.given[0],


def epoll_fd(w):
    """Another loop's, too."""
    if w.one_in(2) or not w.loops:
        return own_fd(w)
    return C['loop_epoll_fd'](w.pick(w.loops).handle),


def channel_id(w):
    ids = [number for l in w.loops for number in l.ids.values()]
    w.id_is_live = bool(ids) and not w.one_in(5)
    w.may_be_bad = True
    return w.pick(ids) if w.id_is_live else any_number(w),


def passengers(w):
    """Channels whose numbers are larger, so that none is in messages in itself, and descriptors."""
    ids = w.loop.ids if w.loop else {}
    larger = [h for h, number in ids.items() if number > ids.get(w.handle, INT_MAX)]
    count, fd_count = w.below(4) if w.one_in(3) else 0, w.below(3) if w.one_in(5) else 0
    for i in range(count):
        w.handles[i] = w.pick(larger) if larger and not w.one_in(10) else w.stale_handle()
        w.may_be_bad |= w.handles[i] not in ids
        # It could be a channel of this loop by chance, of any number.
        fd_count = 0 if w.may_be_bad else fd_count
    w.given = [os.dup(w.pick(w.own)) for _ in range(fd_count)]
    w.fds[0:fd_count] = w.given
    channels, fds = ctypes.addressof(w.handles), ctypes.addressof(w.fds)
    if w.one_in(20):
        w.must_fail = True
        channels, count = w.pick(((0, 1), (0, -1), (channels, -1), (channels, INT_MIN), (0, INT_MAX)))
    if w.one_in(30):
        w.must_fail = True
        fds, fd_count = w.pick(((0, 1), (0, INT_MAX), (fds, -1), (0, -1)))
    elif w.one_in(30):
        w.must_fail = True  # one that is there twice, or is not open
        w.fds[fd_count] = w.given[0] if w.given else 1 << 20
        fd_count += 1
    return channels, count, fds, fd_count


def lua(w):
    """At least one function is missing, so that no thread starts."""
    w.must_fail = True
    for i in range(8):
        w.functions[i] = 0 if w.one_in(4) else ctypes.addressof(w.memory[0])
    w.functions[w.below(8)] = 0
    return 0 if w.one_in(5) else ctypes.addressof(w.functions),


# ---- what follows on an answer ----

def nothing(_w, _result):
    pass


def no_error(w, result):
    w.expect(result >= 0, 'an error')


def word(w, result):
    w.expect(result and result.decode(), 'no text')


def made(kind_of_it):
    def after(w, result):
        if result > 0:
            w.expect(result not in w.loop.live, 'a live handle is given again')
            w.loop.live[result] = kind_of_it or SOCKET_KINDS[C['socket_type'](w.loop.handle, result)]
            if kind_of_it == CHANNEL_:
                w.loop.ids[result] = C['channel_id'](w.loop.handle, result)
            if kind_of_it == LOOKUP_:
                w.loop.pending[result, LOOKUP] = False
    return after


SOCKET_KINDS = {TCP: TCP_, UDP: UDP_, RAW: UDP_}


def opened_channel(w, result):
    w.expect(not (w.loop and w.id_is_live) or result != EBADHANDLE, 'the channel is live')
    made(CHANNEL_)(w, result)


def borrowed(w, result):
    made(FD_)(w, result)
    if result > 0:
        w.loop.borrowed.add(result)


def gone(w, result):
    if result >= 0:
        w.forget(w.loop, w.handle)


def took(kind_of_it):
    """The descriptor is the library's, if there was no error."""
    def after(w, result):
        made(kind_of_it)(w, result)
        if result < 0:
            os.close(w.given[0])
    return after


def closed_descriptor(w, result):
    w.expect(result == 0, 'an open descriptor cannot be closed')


def detached(w, result):
    if result >= 0:
        if w.handle not in w.loop.borrowed:
            os.close(result)
        gone(w, result)


def took_message(w, result):
    if result not in (0, PENDING):
        for descriptor in w.given:
            os.close(descriptor)


def got_descriptor(w, result):
    if result >= 0:
        os.close(result)


def new_loop(w, result):
    w.expect(result > 0, 'no loop')
    w.loops.append(Loop(result))


def closed_loop(w, result):
    if w.loop:
        w.expect(result == 0, 'a live loop cannot be closed')
        w.loops.remove(w.loop)
        w.stale_loops.append(w.loop.handle)
        for handle in list(w.loop.live):
            w.forget(w.loop, handle)


def polled(w, result):
    for i in range(max(result, 0)):
        event = w.events[i]
        w.current = f'event {i}: {event.handle} {event.kind} {event.result} {event.detail}'
        w.expect(i < w.values[2], 'more events than there is room for')
        w.expect(event.result >= 0 or event.result in CODES, 'no documented result')
        if event.kind == TIMER:
            w.expect(w.loop.live.get(event.handle) == TIMER_, 'an event for no timer')
            w.forget(w.loop, event.handle)
            continue
        is_accept = w.loop.pending.pop((event.handle, event.kind), None)
        w.expect(is_accept is not None, 'an event for nothing')
        if is_accept and event.result >= 0:
            made(TCP_)(w, event.result)


def parsed(w, result):
    w.expect(result <= 1, 'neither parsed nor not')


def message(w, result):
    w.expect(result is None or w.fits(), 'a message of a bad handle')


Rule = collections.namedtuple('Rule', 'arguments after pends')


def rule(*arguments, after=nothing, pends=None):
    """Its arguments, what follows on its answer, and of what kind it can be pending."""
    return Rule(arguments, after, pends)


RULES = {
    'version': rule(after=word),
    'features': rule(after=word),
    'abi_version': rule(after=no_error),
    'error_name': rule(number, after=word),
    'error_message': rule(number, after=word),
    'clock': rule(after=no_error),
    'ignore_sigpipe': rule(after=no_error),
    'descriptor_limit': rule(after=no_error),
    'descriptor_close': rule(fd_to_give, after=closed_descriptor),
    'time': rule(after=no_error),
    'loop_new': rule(after=new_loop),
    'loop_close': rule(closing_loop, after=closed_loop),
    'poll': rule(loop, array('events'), short_deadline, after=polled),
    'wake': rule(any_loop_of_process),
    'os_error': rule(loop),
    'loop_epoll_fd': rule(loop),
    'loop_set_epoll_fd': rule(loop, epoll_fd),
    'loop_iocp': rule(loop, number_out),
    'loop_set_iocp': rule(loop, number),
    'timer_new': rule(roomy_loop, deadline, after=made(TIMER_)),
    'timer_close': rule(loop, closing(TIMER_), after=gone),
    'signal_new': rule(roomy_loop, one_of(SIGUSR1, SIGWINCH, SIGWINCH | SIGURG), after=made(SIGNAL_)),
    'signal_wait': rule(loop, signal, deadline, pends=READ),
    'signal_close': rule(loop, closing(SIGNAL_), after=gone),
    'addr_parse': rule(*endpoint, addr_out, after=parsed),
    'addr_unix': rule(needed_text, type_, protocol, addr_out),
    'addr_lookup': rule(*endpoint, array('found'), text),
    'hostname': rule(text),
    'addr_type': rule(addr),
    'addr_family': rule(addr),
    'addr_protocol': rule(addr),
    'addr_port': rule(addr),
    'addr_ip': rule(addr, text),
    'addr_format': rule(addr, text),
    'lookup_new': rule(roomy_loop, *endpoint, deadline, after=made(LOOKUP_)),
    'lookup_cancel': rule(loop, lookup),
    'lookup_result': rule(loop, lookup, array('found'), text),
    'lookup_close': rule(loop, closing(LOOKUP_), after=gone),
    'lookup_cache': rule(seconds),
    'tcp_new': rule(roomy_loop, family, protocol, after=made(TCP_)),
    'udp_new': rule(roomy_loop, family, protocol, after=made(UDP_)),
    'raw_new': rule(roomy_loop, family, protocol, after=made(UDP_)),
    'socket_close': rule(loop, closing(TCP_, UDP_, FD_), after=gone),
    'socket_cancel': rule(loop, port, kind),
    'socket_wait': rule(loop, waitable, kind, deadline, pends='kind'),
    'socket_pending': rule(loop, port, kind, perhaps(number_out)),
    'socket_os_error': rule(loop, waitable, kind),
    'socket_peercred': rule(loop, a_socket, *[perhaps(number_out)] * 3),
    'socket_detach': rule(loop, closing(TCP_, UDP_, FD_), after=detached),
    'socket_attach': rule(roomy_loop, fd_to_give, after=took(None)),
    'socket_type': rule(loop, a_socket),
    'socket_family': rule(loop, a_socket),
    'socket_protocol': rule(loop, a_socket),
    'socket_fd': rule(loop, waitable),
    'socket_bind': rule(loop, a_socket, addr),
    'socket_shutdown': rule(loop, a_socket, number),
    'socket_localaddr': rule(loop, a_socket, addr_out),
    'socket_remoteaddr': rule(loop, a_socket, addr_out),
    'option_kind': rule(option),
    'socket_setopt': rule(loop, a_socket, option, one_of(0, 1)),
    'socket_getopt': rule(loop, a_socket, option, number_out),
    'socket_setopt_text': rule(loop, a_socket, option, option_text),
    'socket_getopt_text': rule(loop, a_socket, option, needed_text),
    'tcp_listen': rule(loop, tcp, number),
    'tcp_accept': rule(loop, tcp, perhaps(addr_out), deadline, after=made(TCP_), pends=READ),
    'tcp_connect': rule(loop, tcp, addr, deadline, pends=WRITE),
    'stream_send': rule(loop, stream, data, deadline, pends=WRITE),
    'stream_sendv': rule(loop, stream, array('slices'), deadline, pends=WRITE),
    'stream_recv': rule(loop, stream, data, deadline, pends=READ),
    'fd_new': rule(roomy_loop, own_fd, after=borrowed),
    'fd_attach': rule(roomy_loop, fd_to_give, after=took(FD_)),
    'fd_open': rule(roomy_loop, path, after=made(FD_)),
    'stream_read': rule(loop, stream, limit, deadline, pends=READ),
    'stream_peek': rule(loop, stream, limit, deadline, pends=READ),
    'stream_readline': rule(loop, stream, limit, deadline, pends=READ),
    'stream_readuntil': rule(loop, stream, delimiter, limit, deadline, pends=READ),
    'stream_readall': rule(loop, stream, limit, deadline, pends=READ),
    'stream_data': rule(loop, stream, after=message),
    'stream_buffered': rule(loop, stream),
    'stream_unread': rule(loop, stream, little),
    'udp_connect': rule(loop, udp, perhaps(addr)),
    'udp_send': rule(loop, udp, data, perhaps(addr), deadline, pends=WRITE),
    'udp_recv': rule(loop, udp, data, perhaps(addr), perhaps(addr_out), deadline, pends=READ),
    'udp_truncated': rule(loop, udp),
    'udp_join': rule(loop, udp, addr, ifname),
    'udp_leave': rule(loop, udp, addr, ifname),
    'channel_new': rule(roomy_loop, one_of(0, 1, 2, 100), after=made(CHANNEL_)),
    'channel_id': rule(loop, channel),
    'channel_open': rule(roomy_loop, channel_id, after=opened_channel),
    'channel_close': rule(loop, closing(CHANNEL_), after=gone),
    'channel_shutdown': rule(loop, seldom(CHANNEL_)),
    'channel_own': rule(loop, seldom(CHANNEL_)),
    'channel_length': rule(loop, channel),
    'channel_send': rule(loop, channel, data, passengers, deadline, after=took_message, pends=WRITE),
    'channel_unsent': rule(loop, channel, one_of(0, 1), after=got_descriptor),
    'channel_recv': rule(loop, channel, deadline, pends=READ),
    'message_data': rule(loop, channel, after=message),
    'message_channel': rule(roomy_loop, channel, one_of(0, 1), after=made(CHANNEL_)),
    'message_fd': rule(loop, channel, one_of(0, 1), after=got_descriptor),
    'message_socket': rule(roomy_loop, channel, one_of(0, 1), after=made(None)),
    'message_close': rule(loop, channel),
    'thread_new': rule(loop, lua, data, string(None, b'name'), channel),
    'thread_cpus': rule(after=no_error),
    'thread_setname': rule(string(None, b'garbage')),
    'thread_name': rule(text),
}


# ---- those that call ----

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
        # None of this is freed or made anew: what is pending may still have it.
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
        """Nothing like an address, or one that differs behind its IPv4 part only."""
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
        """What the next call is about."""
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
        """Chance alone seldom connects anything."""
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
        """Something becomes readable, or is no longer."""
        try:
            fd_of_it = self.pick(self.stirred)
            if self.one_in(2):
                os.write(fd_of_it, (1).to_bytes(8, 'little'))
            else:
                os.read(fd_of_it, 65536)
        except OSError:
            pass

    def step(self, i):
        """At least one call."""
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
        """What is still pending has its event when its handle is closed."""
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


LOOP_ARGUMENTS = (loop, roomy_loop, closing_loop, any_loop_of_process)
NAMES = sorted(set(RULES) - {'loop_new'})


def run_beside(worker, stop, wrong):
    i = 0
    try:
        while not stop.is_set():
            worker.step(i)
            i += 1
            time.sleep(0.0005)
        worker.end()
    except Exception as err:
        wrong.append((worker, err))


def open_descriptors():
    return len(os.listdir('/proc/self/fd'))


def main(calls=100000, seed=1, trace=None, seconds=240):
    print(f'seed {seed}, {calls} calls', flush=True)
    if set(RULES) != set(C):
        raise Wrong(f'functions and rules differ: {set(RULES) ^ set(C)}')
    first = C['loop_new']()
    C['signal_new'](first, SIGUSR1)  # makes a pipe, which stays
    C['loop_close'](first)
    descriptors = open_descriptors()
    workers = [Worker(seed, i, trace) for i in range(2)]
    for worker in workers:
        for _ in range(LOOPS):
            worker.call('loop_new')
    for worker, other in zip(workers, reversed(workers)):
        worker.others = [at.handle for at in other.loops]
    worker, beside = workers
    stop, wrong = threading.Event(), []
    thread = threading.Thread(target=run_beside, args=(beside, stop, wrong))
    thread.start()
    end = time.monotonic() + seconds
    try:
        i = 0
        while i < calls and not wrong and time.monotonic() < end:
            if i % 1000 == 0:
                faulthandler.dump_traceback_later(100, exit=True)  # a call hangs
            worker.step(i)
            i += 1
        worker.end()
    except Exception as err:
        wrong.append((worker, err))
    stop.set()
    thread.join()
    faulthandler.cancel_dump_traceback_later()
    for worker, err in wrong:
        print(*worker.history, sep='\n')
        raise err
    never = set(RULES) - set(workers[0].counts)
    if never:
        raise Wrong(f'never called: {never}')
    limit = time.monotonic() + 20
    while open_descriptors() != descriptors and time.monotonic() < limit:
        time.sleep(0.01)  # a look-up that was given up may still have one
    if open_descriptors() != descriptors:
        raise Wrong(f'{open_descriptors() - descriptors} descriptors are left')
    print(f'{sum(workers[0].counts.values())} calls and {sum(beside.counts.values())} beside')


if __name__ == '__main__':
    main(*(int(float(word)) for word in sys.argv[1:3]), *sys.argv[3:])
