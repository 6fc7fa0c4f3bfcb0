#!/usr/bin/env node
// An echo server and clients of it: async functions over one socket2_poll() loop, with koffi.
//
// usage: echo.js server [port]              serves, and says where
//        echo.js client host port text...   a connection for each text; prints what comes back
//        echo.js                            both, in one loop
// The library is $SOCKET2_LIB, or what the system finds. `npm install koffi` installs koffi.
'use strict';

const koffi = require('koffi');

const library = koffi.load(process.env.SOCKET2_LIB || 'libsocket2.so.1');
const C = {};
for (const declaration of [
  'const char* socket2_error_message(int code)',
  'int socket2_loop_new()',
  'int socket2_poll(int loop, void* events, int max, double deadline)',
  'int socket2_addr_lookup(str host, str service, int, int, int, int, void* out, int, void*, size_t)',
  'int socket2_addr_port(void* addr)',
  'int socket2_socket_bind(int loop, int handle, void* addr)',
  'int socket2_socket_localaddr(int loop, int handle, void* out)',
  'int socket2_socket_shutdown(int loop, int handle, int directions)',
  'int socket2_socket_close(int loop, int handle)',
  'int socket2_tcp_new(int loop, int family, int protocol)',
  'int socket2_tcp_listen(int loop, int handle, int backlog)',
  'int socket2_tcp_accept(int loop, int handle, void* peer, double deadline)',
  'int socket2_tcp_connect(int loop, int handle, void* addr, double deadline)',
  'int socket2_stream_send(int loop, int handle, void* data, size_t size, double deadline)',
  'int socket2_stream_recv(int loop, int handle, void* data, size_t size, double deadline)',
]) {
  C[declaration.match(/socket2_(\w+)\(/)[1]] = library.func(declaration);
}

const PENDING = -1, CLOSED = -2;
const READ = 1, WRITE = 2, SHUT_WRITE = 2, TCP = 1, INET = 1;
const ADDR_SIZE = 128, EVENTS = 64;

function check(code) {
  if (code < PENDING) throw Object.assign(new Error(C.error_message(code)), { code });
  return code;
}

function address(host, port) {
  const addr = Buffer.alloc(ADDR_SIZE);
  check(C.addr_lookup(host, String(port), TCP, INET, 0, 0, addr, 1, null, 0));
  return addr;
}

class Loop {
  #loop = check(C.loop_new());
  #waiting = new Map(); // 'handle kind' -> how to tell the code that waits for that event

  // Calls a function that is over at once.
  call(name, ...args) {
    return check(C[name](this.#loop, ...args));
  }

  // Returns what an operation gives, and keeps the memory that the library uses until then.
  async operate(kind, name, tcp, ...args) {
    const code = C[name](this.#loop, tcp, ...args, Infinity);
    if (code !== PENDING) return check(code);
    return check(await new Promise((tell) => {
      this.#waiting.set(`${tcp} ${kind}`, { tell, args });
    }));
  }

  // Runs until no operation waits any more. Node has its turn after each batch of events, in which
  // all code that was told goes on.
  async run() {
    const events = new Int32Array(4 * EVENTS);
    while (this.#waiting.size > 0) {
      const n = this.call('poll', events, EVENTS, Infinity);
      for (let i = 0; i < 4 * n; i += 4) {
        const key = `${events[i]} ${events[i + 1]}`;
        const { tell } = this.#waiting.get(key);
        this.#waiting.delete(key);
        tell(events[i + 2]);
      }
      await new Promise(setImmediate);
    }
  }

  listen(port) {
    const tcp = this.call('tcp_new', INET, 0), addr = address('127.0.0.1', port);
    this.call('socket_bind', tcp, addr);
    this.call('tcp_listen', tcp, -1);
    this.call('socket_localaddr', tcp, addr);
    this.serve(tcp);
    return { tcp, addr };
  }

  async serve(listener) {
    for (;;) {
      try {
        this.echo(await this.operate(READ, 'tcp_accept', listener, null));
      } catch (err) {
        if (err.code === CLOSED) return;
        console.error(`accept: ${err.message}`);
      }
    }
  }

  async echo(tcp) {
    const buffer = Buffer.alloc(4096);
    try {
      for (let n; (n = await this.operate(READ, 'stream_recv', tcp, buffer, buffer.length)) > 0;) {
        await this.operate(WRITE, 'stream_send', tcp, buffer, n);
      }
    } catch (err) {
      console.error(`a client: ${err.message}`);
    }
    this.call('socket_close', tcp);
  }

  async talk(addr, text) {
    const tcp = this.call('tcp_new', INET, 0), data = Buffer.from(text), parts = [];
    await this.operate(WRITE, 'tcp_connect', tcp, addr);
    await this.operate(WRITE, 'stream_send', tcp, data, data.length);
    this.call('socket_shutdown', tcp, SHUT_WRITE);
    const buffer = Buffer.alloc(4096);
    for (let n; (n = await this.operate(READ, 'stream_recv', tcp, buffer, buffer.length)) > 0;) {
      parts.push(Buffer.from(buffer.subarray(0, n)));
    }
    this.call('socket_close', tcp);
    console.log(Buffer.concat(parts).toString());
  }

  async demo() {
    const { tcp, addr } = this.listen(0);
    for (const text of ['hello', 'from JavaScript']) await this.talk(addr, text);
    this.call('socket_close', tcp);
  }
}

const [command, ...words] = process.argv.slice(2);
const loop = new Loop();
let tasks = [];
if (command === 'server') {
  console.log(`listening on 127.0.0.1:${C.addr_port(loop.listen(words[0] || 0).addr)}`);
} else if (command === 'client') {
  tasks = words.slice(2).map((text) => loop.talk(address(words[0], words[1]), text));
} else {
  tasks = [loop.demo()];
}
Promise.all([loop.run(), ...tasks]).catch((err) => {
  console.error(`echo: ${err.message}`);
  process.exitCode = 1;
});
