#!/usr/bin/env python3
"""Every function of capi/socket2.h, called from Python with everything that a program could get wrong:
handles that are stale, of another loop, of another kind or made up, wild numbers and lengths, null pointers,
memory that is not an address. No call may crash, hang or return a code that the header does not name; a bad
handle is always recognized, and every pending operation has one event. (spec/capi/garbage_test.c looks closer
at what good arguments do.) A second thread does the same on its own loops.

usage: garbage.py [CALLS [SEED [trace]]]    trace: each call goes to stderr before it is made
It makes fewer calls when they would take longer than four minutes.
"""
import faulthandler
import os
import sys
import threading
import time

sys.dont_write_bytecode = True  # nothing is left beside the sources

from garbage_library import *
from garbage_rules import RULES
from garbage_worker import Worker


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
    C['signal_new'](first, SIGUSR1)  # makes a pipe, which stays open
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
        time.sleep(0.01)  # an abandoned lookup may still have one
    if open_descriptors() != descriptors:
        raise Wrong(f'{open_descriptors() - descriptors} descriptors are left')
    print(f'{sum(workers[0].counts.values())} calls and {sum(beside.counts.values())} beside')


if __name__ == '__main__':
    main(*(int(float(word)) for word in sys.argv[1:3]), *sys.argv[3:])
