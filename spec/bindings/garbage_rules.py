"""What each function takes, and what follows from its answer."""
import collections
import os

from garbage_arguments import *
from garbage_library import *


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
    """The library owns the descriptor, if there was no error."""
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
    """Its arguments, what follows from its answer, and the kind of its event if it can be pending."""
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
    'stream_recvn': rule(loop, stream, data, deadline, pends=READ),
    'stream_readline': rule(loop, stream, limit, deadline, pends=READ),
    'stream_readuntil': rule(loop, stream, delimiter, limit, deadline, pends=READ),
    'stream_readall': rule(loop, stream, limit, deadline, pends=READ),
    'stream_data': rule(loop, stream, after=message),
    'stream_buffered': rule(loop, stream),
    'loop_last_read': rule(loop, after=message),
    'stream_release': rule(loop, stream),
    'stream_undo': rule(loop, stream),
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
