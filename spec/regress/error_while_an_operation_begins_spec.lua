-- From the call of C until the thread was parked only the frame owned the memory of an operation. An error in
-- between, of a debug hook with a budget, ended the frame: the system wrote into freed memory or sent that of
-- others, events woke threads in other waits, and start() returned while threads slept.

local spec = require'spec'

local KINDS = {'recv', 'readline', 'send', 'accept', 'connect', 'udp recv', 'udp send', 'wait',
	'channel send', 'channel recv', 'lookup', 'sleep', 'event', 'semaphore', 'queue', 'fd recv', 'fd send',
	'send in line', 'udp recv in line', 'accept in line'}
if not spec.lacks'signals' then
	KINDS[#KINDS + 1] = 'signal'
end

local BY_A_HOOK = [[
jit.off()
local socket = require'socket2'
local interrupted = require'interrupted'
socket.onerror = function() end

local function limit(n, f)
	local reached = false
	debug.sethook(function()
		debug.sethook()
		reached = true
		error('too many instructions', 0)
	end, '', n)
	pcall(f)
	debug.sethook()
	return reached
end
interrupted.check(%q, limit)
io.write'well']]

describe('an error while an operation begins', function()
	for _, kind in ipairs(KINDS) do
		it('leaves all in order: ' .. kind, function()
			assert.equal('well', (spec.luajit(BY_A_HOOK:format(kind))))
		end)
	end
end)
