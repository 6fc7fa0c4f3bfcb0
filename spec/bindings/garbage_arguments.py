"""What a call is made of: each function gives the values of one or more parameters."""
import ctypes
import os
import socket

from garbage_library import *


def any_number(w):
    return w.pick(w.numbers) if w.one_in(4) else w.pick(NUMBERS)


NUMBERS = [0, 1, -1, 2, 3, 4, 7, 64, 127, 128, 255, 256, 1023, 1024, 65535, 65536, INT_MAX, INT_MIN]


def number(w):
    return any_number(w),


def one_of(*values):
    """Mostly one of these values."""
    return lambda w: (any_number(w) if w.one_in(15) else w.pick(values),)


def loop(w):
    w.on(None if w.one_in(20) or not w.loops else w.pick(w.loops))
    return w.loop.handle if w.loop else w.stale_loop(),


def roomy_loop(w):
    """A loop, for functions that make a handle."""
    handle = loop(w)
    if w.loop and len(w.loop.live) >= ROOM:
        raise Skip
    return handle


def closing_loop(w):
    w.on(w.pick(w.loops) if w.loops and w.one_in(100) else None)
    return w.loop.handle if w.loop else w.stale_loop(),


def any_loop_of_process(w):
    """A loop for socket2_wake(), which also takes loops of other threads."""
    if not w.one_in(4):
        return loop(w)
    w.on(None)
    w.may_be_bad = w.may_be_good = True
    return w.pick(w.others),


def handle_of(*kinds):
    """Mostly a live handle on the loop, of these kinds."""
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
    """Hardly ever a good handle while the loop has few, because nothing would live long otherwise."""
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
    """Memory and its size, which is never too large, unless the library checks it."""
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
    """Some bytes: few, because many calls pass them."""
    return ctypes.addressof(w.memory[1]), w.below(len(w.memory[1]) + 1)


def delimiter(w):
    where, size = little(w)
    w.must_fail |= size == 0
    return where, size


def limit(w):
    """The limit of a buffered read: no more memory than such a test may take."""
    n = w.pick((SIZE_MAX, 2**63, INT_MAX + 1)) if w.one_in(20) else w.pick((0, 1, 10, 1000, 100000))
    w.must_fail |= n > INT_MAX
    return n,


def perhaps(argument):
    """The same, when null is a good value, too."""
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
    """The address of the text, which stays only until the call is over."""
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
# With an unknown congestion control the system would look for a module.
option_text = chosen_string(None, b'', b'lo', b'reno', b'127.0.0.1', b'1')
ifname = maybe_string(None, b'', b'lo', b'127.0.0.1', b'0.0.0.0', b'1', b'-1')
service = maybe_string(None, b'0', b'80', b'65535', b'65536', b'', b'-1', b'http')
host = maybe_string(None, b'*', b'127.0.0.1', b'::1', b'', b'fe80::1%lo', b'@x', b'/tmp/x', b'a.b')
path = chosen_string(None, b'', b'/', b'/dev/null', b'/dev/ptmx', b'/dev/null/x', b'x' * 5000)
family, kind, type_ = one_of(1, 2, 3), one_of(1, 2), one_of(1, 2, 3)


def protocol(w):
    """Bad numbers are rare, because the system looks for a module for each that it does not know."""
    return w.pick((-1, 256, INT_MAX, INT_MIN)) if w.one_in(50) else w.pick((0, 0, 1, 6, 17)),


def flags(w):
    """Flags with which no name is looked up."""
    n = any_number(w) if w.one_in(10) else w.below(256)
    return n | NUMERICHOST | NUMERICSERV,


endpoint = (host, service, type_, family, protocol, flags)


def own_fd(w):
    return w.pick((-1, -2, INT_MIN, INT_MAX, 2**40, 1 << 20) if w.one_in(10) else w.own),


def fd_to_give(w):
    """A descriptor that the library may take over."""
    w.given = [os.dup(w.pick(w.own)) if w.one_in(2) else socket.socket(
        w.pick((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)),
        w.pick((socket.SOCK_STREAM, socket.SOCK_DGRAM))).detach()]
    return w.given[0],


def epoll_fd(w):
    """Also a handle on another loop."""
    if w.one_in(2) or not w.loops:
        return own_fd(w)
    return C['loop_epoll_fd'](w.pick(w.loops).handle),


def channel_id(w):
    ids = [number for l in w.loops for number in l.ids.values()]
    w.id_is_live = bool(ids) and not w.one_in(5)
    w.may_be_bad = True
    return w.pick(ids) if w.id_is_live else any_number(w),


def passengers(w):
    """Channels with larger numbers, so that none is in a message in itself, and descriptors."""
    ids = w.loop.ids if w.loop else {}
    larger = [h for h, number in ids.items() if number > ids.get(w.handle, INT_MAX)]
    count, fd_count = w.below(4) if w.one_in(3) else 0, w.below(3) if w.one_in(5) else 0
    for i in range(count):
        w.handles[i] = w.pick(larger) if larger and not w.one_in(10) else w.stale_handle()
        w.may_be_bad |= w.handles[i] not in ids
        # By chance the number could be a channel of this loop.
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
        w.must_fail = True  # a descriptor that is there twice, or is not open
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
