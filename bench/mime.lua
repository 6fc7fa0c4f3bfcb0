-- Measures the filters of mime and the escapes of socket.url, ours or LuaSocket's, through the same
-- functions. Prints a line for each: name, size of a string, nanoseconds per byte.
-- usage: mime.lua ours|original

local which = arg[1]
if which == 'ours' then
	package.path = 'lua/socket2/compat/?.lua;' .. package.path
end
local mime, url = require'mime', require'socket.url'
assert((debug.getinfo(mime.b64).what == 'C') == (which == 'original'), 'the wrong modules')

local RUNS, SECONDS = 5, 0.01

local function repeated(s, n)
	return s:rep(math.ceil(n / #s)):sub(1, n)
end

math.randomseed(1)
local noise = {}
for i = 1, 65536 do
	noise[i] = string.char(math.random(0, 255))
end
noise = table.concat(noise)

local prose = 'The quick brown fox (which is not a fox) jumps over the lazy dog.\r\n' ..
	'.And then, as dogs do, it sleeps: on the second line = the last.\r\n'
local encoded = mime.wrap'base64'((mime.b64(noise)))
local quoted = mime.wrap'quoted-printable'(mime.qp('', noise) .. '')
local words = 'name=J\195\188rgen Q. Public&path=/a/b/c d.html&x=%41'

local function clock(f, s)
	local n = 1
	while true do
		local started = os.clock()
		for _ = 1, n do
			f(s)
		end
		local seconds = os.clock() - started
		if seconds > SECONDS then
			return seconds / n
		end
		n = n * 2
	end
end

local cases = {
	{'b64, bytes', noise, function(s) return mime.b64('', s) end},
	{'unb64, one line', (mime.b64(noise)), function(s) return mime.unb64('', s) end},
	{'unb64, lines of 76', encoded, function(s) return mime.unb64('', s) end},
	{'qp, prose', prose, function(s) return mime.qp('', s) end},
	{'qp, bytes', noise, function(s) return mime.qp('', s) end},
	{'unqp, prose', prose, function(s) return mime.unqp('', s) end},
	{'unqp, of bytes', quoted, function(s) return mime.unqp('', s) end},
	{'wrp, prose', prose, function(s) return mime.wrp(76, s, 76) end},
	{'wrp, base64', (mime.b64(noise)), function(s) return mime.wrp(76, s, 76) end},
	{'qpwrp, of prose', prose, function(s) return mime.qpwrp(76, s, 76) end},
	{'qpwrp, of bytes', (mime.qp('', noise)), function(s) return mime.qpwrp(76, s, 76) end},
	{'eol, prose', prose, function(s) return mime.eol(0, s) end},
	{'dot, prose', prose, function(s) return mime.dot(2, s) end},
	{'escape, query', words, function(s) return url.escape(s) end},
	{'escape, bytes', noise, function(s) return url.escape(s) end},
	{'unescape, query', (url.escape(words)), function(s) return url.unescape(s) end},
}

for _, size in ipairs{100, 2048, 2^20} do
	for _, case in ipairs(cases) do
		local name, s, f = case[1], repeated(case[2], size), case[3]
		local best = 1/0
		for _ = 1, RUNS do
			best = math.min(best, clock(f, s))
		end
		print(('%s\t%d\t%.3f'):format(name, size, best / size * 1e9))
	end
end
