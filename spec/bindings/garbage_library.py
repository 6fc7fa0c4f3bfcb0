"""The functions that capi/socket2.h declares, and what the other modules know about them."""
import ctypes
import os
import re

HEADER = os.path.join(os.path.dirname(__file__), '../../capi/socket2.h')
TYPES = {'int': ctypes.c_int, 'double': ctypes.c_double, 'size_t': ctypes.c_size_t,
         'intptr_t': ctypes.c_ssize_t, 'const char*': ctypes.c_char_p, 'const void*': ctypes.c_void_p,
         'const socket2_read*': ctypes.c_void_p}

header = re.sub(r'/\*.*?\*/', '', open(HEADER).read(), flags=re.S)
constants = {name: int(value) for name, value in re.findall(r'SOCKET2_(\w+) = (-?\d+)', header)}
globals().update(constants)
CODES = {value for name, value in constants.items() if name.startswith('E') and value < 0}
NEVER, NAN = float('inf'), float('nan')
INT_MAX, INT_MIN, SIZE_MAX = 2**31 - 1, -2**31, 2**64 - 1
LOOPS, ROOM = 3, 60

library = ctypes.CDLL(os.environ.get('SOCKET2_LIB', 'libsocket2.so.1'))


def declared():
    """name -> function that the header declares; pointers are passed as plain numbers."""
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
    """The answer is not what the header says."""


class Skip(Exception):
    """There is no room for what the call would make."""


class Loop:
    def __init__(self, handle):
        self.handle = handle
        self.live = {}  # handle -> its kind
        self.pending = {}  # (handle, kind) -> whether it is an accept
        self.borrowed = set()  # handles on descriptors that this test owns
        self.ids = {}  # handle of a channel -> its number
