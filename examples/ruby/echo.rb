#!/usr/bin/env ruby
# An echo server and clients of it: fibers over one socket2_poll() loop, with fiddle.
#
# usage: echo.rb server [port]              serves, and says where
#        echo.rb client host port text...   a connection for each text; prints what comes back
#        echo.rb                            both, in one loop
# The library is $SOCKET2_LIB, or what the system finds.

require 'fiddle/import'

module C
  extend Fiddle::Importer
  dlload ENV.fetch('SOCKET2_LIB', 'libsocket2.so.1')
  extern 'char* socket2_error_message(int)'
  extern 'int socket2_loop_new()'
  extern 'int socket2_poll(int, void*, int, double)'
  extern 'int socket2_addr_lookup(char*, char*, int, int, int, int, void*, int, char*, size_t)'
  extern 'int socket2_addr_port(void*)'
  extern 'int socket2_socket_bind(int, int, void*)'
  extern 'int socket2_socket_localaddr(int, int, void*)'
  extern 'int socket2_socket_shutdown(int, int, int)'
  extern 'int socket2_socket_close(int, int)'
  extern 'int socket2_tcp_new(int, int, int)'
  extern 'int socket2_tcp_listen(int, int, int)'
  extern 'int socket2_tcp_accept(int, int, void*, double)'
  extern 'int socket2_tcp_connect(int, int, void*, double)'
  extern 'int socket2_stream_send(int, int, void*, size_t, double)'
  extern 'int socket2_stream_recv(int, int, void*, size_t, double)'
end

PENDING, CLOSED = -1, -2
READ, WRITE, SHUT_WRITE, TCP, INET, NEVER = 1, 2, 2, 1, 1, Float::INFINITY
ADDR_SIZE, EVENT_SIZE, EVENTS = 128, 16, 64

class Error < StandardError
  attr_reader :code

  def initialize(code)
    super(C.socket2_error_message(code).to_s)
    @code = code
  end
end

def check(code) = code < PENDING ? raise(Error.new(code)) : code

# Memory that stays in its place until nothing refers to it.
def memory(size) = Fiddle::Pointer.malloc(size, Fiddle::RUBY_FREE)

def address(host, port)
  addr = memory(ADDR_SIZE)
  check(C.socket2_addr_lookup(host, port.to_s, TCP, INET, 0, 0, addr, 1, nil, 0))
  addr
end

LOOP = check(C.socket2_loop_new)
WAITING = {} # [handle, kind] => the fiber that waits for that event

def go_on(fiber, *result)
  key = fiber.resume(*result)
  WAITING[key] = fiber if fiber.alive?
end

def start(&task) = go_on(Fiber.new(&task))

# Runs until no fiber waits any more.
def run
  events = memory(EVENT_SIZE * EVENTS)
  until WAITING.empty?
    n = check(C.socket2_poll(LOOP, events, EVENTS, NEVER))
    events[0, n * EVENT_SIZE].unpack('l*').each_slice(4) do |handle, kind, result, _|
      go_on(WAITING.delete([handle, kind]), result)
    end
  end
end

# Called in a fiber: waits for an operation and returns what it gives. The caller keeps the memory until then.
def operate(kind, function, tcp, *arguments)
  code = C.send(function, LOOP, tcp, *arguments, NEVER)
  check(code == PENDING ? Fiber.yield([tcp, kind]) : code)
end

# Calls a function that is over at once.
def call(function, *arguments)
  check(C.send(function, LOOP, *arguments))
end

def listen(port)
  tcp, addr = call(:socket2_tcp_new, INET, 0), address('127.0.0.1', port)
  call(:socket2_socket_bind, tcp, addr)
  call(:socket2_tcp_listen, tcp, -1)
  call(:socket2_socket_localaddr, tcp, addr)
  start { serve(tcp) }
  [tcp, addr]
end

def serve(listener)
  loop do
    tcp = operate(READ, :socket2_tcp_accept, listener, nil)
    start { echo(tcp) }
  rescue Error => e
    return if e.code == CLOSED
    warn "accept: #{e.message}"
  end
end

def echo(tcp)
  buffer = memory(4096)
  while (n = operate(READ, :socket2_stream_recv, tcp, buffer, 4096)) > 0
    operate(WRITE, :socket2_stream_send, tcp, buffer, n)
  end
rescue Error => e
  warn "a client: #{e.message}"
ensure
  call(:socket2_socket_close, tcp)
end

def talk(addr, text)
  tcp, buffer, answer = call(:socket2_tcp_new, INET, 0), memory(4096), +''
  operate(WRITE, :socket2_tcp_connect, tcp, addr)
  operate(WRITE, :socket2_stream_send, tcp, Fiddle::Pointer[text], text.bytesize)
  call(:socket2_socket_shutdown, tcp, SHUT_WRITE)
  while (n = operate(READ, :socket2_stream_recv, tcp, buffer, 4096)) > 0
    answer << buffer[0, n]
  end
  call(:socket2_socket_close, tcp)
  puts answer
end

def demo
  listener, addr = listen(0)
  ['hello', 'from Ruby'].each { |text| talk(addr, text) }
  call(:socket2_socket_close, listener)
end

$stdout.sync = true
command, *words = ARGV
begin
  case command
  when 'server' then puts "listening on 127.0.0.1:#{C.socket2_addr_port(listen(words[0] || 0)[1])}"
  when 'client' then words.drop(2).each { |text| start { talk(address(*words[0, 2]), text) } }
  else start { demo }
  end
  run
rescue Error => e
  abort "echo: #{e.message}"
end
