-- mbox beside the original.

local both = require'both''mbox'
local new_random = require'random'

describe('mbox', function()
	if not both then
		pending'lua-socket is not installed'
		return
	end

	local random

	before_each(function()
		random = new_random(411)
	end)

	local functions = {'split_message', 'split_headers', 'parse_header', 'parse_headers', 'parse_from',
		'split_mbox', 'parse', 'parse_message'}

	it('has the same fields', function()
		both(function(m) return m end)
		both(function() return rawget(_G, 'mbox') end)
	end)

	local MAILBOX = 'From a@b Thu\r\nFrom: "A. B." <a@b>\r\nTo: c@d\r\nTo: e@f\r\nSubject: a long\r\n one\r\n' ..
		'\r\nHello\r\n\r\nFrom the beach\r\n\r\nFrom c@d Fri\nX: y\n\nbody\n\n\nFrom me: not a header\n'

	it('does the same with a mailbox', function()
		for _, name in ipairs(functions) do
			both(function(m) return m[name](MAILBOX) end)
			both(function(m) return m[name](MAILBOX:gsub('\r', '')) end)
		end
	end)

	it('does the same with odd arguments', function()
		for _, name in ipairs(functions) do
			for _, value in ipairs{'', '\n', '\n\n', '\r\n\r\n', ':', 'a:', ':b', 'a b: c', 'a: b: c', '<>', 'x <y',
				'"x" <y> <z>', ' a@b ', 5, {}, true, print} do
				both(function(m) return m[name](value) end)
			end
			both(function(m) return m[name]() end)
		end
	end)

	it('does the same with random texts', function()
		local words = {'\n', '\n', '\r\n', '\r\n', ' ', '\t', ':', ': ', 'a', 'Name', '<', '>', '"', 'From ', 'x@y',
			'\n\nFrom ', '\r', '\0'}
		for _ = 1, 3000 do
			local t = {}
			for i = 1, random(20) do
				t[i] = words[random(#words)]
			end
			local text = table.concat(t)
			for _, name in ipairs(functions) do
				both(function(m) return m[name](text) end)
			end
		end
	end)
end)
