-- Puts our modules with LuaSocket's names (socket, socket.http, ltn12, mime ...) and socketloop in front of
-- installed ones: run `luajit -lsocket2.dropin program.lua`, or require it first.

local dir = debug.getinfo(1, 'S').source:match'^@(.*)socket2[/\\]dropin%.lua$'

package.path = dir .. 'socket2/compat/?.lua;' .. package.path
-- With this the program's own coroutines can wait wherever a thread can.
require'coro'.install()

return require'socket2'
