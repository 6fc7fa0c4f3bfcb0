-- Filters, sources, sinks and pumps, like LuaSocket's ltn12. All of it is plain Lua, so that each of them may
-- wait in its thread.
--
-- A source gives a chunk each time, nil at the end, and nil, err when it fails. A sink takes a chunk, or nil
-- (and err, if the source failed) at the end, and gives true, or nil, err. A filter takes a chunk and gives
-- one: '' for '' means that it has no more for now and wants input; nil for nil means that it is at its end.
-- As long as it gives something else it is called again, with '' or nil.

local assert, error, select, type, unpack = assert, error, select, type, unpack
local insert, remove = table.insert, table.remove
local sub = string.sub

local ltn12 = {_VERSION = 'LTN12 1.0.3', BLOCKSIZE = 2048}
local filter, source, sink, pump = {}, {}, {}, {}
ltn12.filter, ltn12.source, ltn12.sink, ltn12.pump = filter, source, sink, pump

-- Filters -------------------------------------------------------------------------------------------------

-- cycle(low, ctx, extra) -> filter: made from a function low(ctx, chunk, extra) -> result, the next ctx
function filter.cycle(low, ctx, extra)
	assert(low)
	return function(chunk)
		local result
		result, ctx = low(ctx, chunk, extra)
		return result
	end
end

-- chain(f...) -> filter: each filter feeds the next. `at` is the filter that has its turn. Those before
-- `done` are at their end. A filter that wants input gives the turn to the one before it.
function filter.chain(...)
	local filters, n = {...}, select('#', ...)
	local done, at = 1, 1
	local more = '' -- the argument for a filter that may have more
	return function(chunk)
		more = chunk and more
		while true do
			local first = at == done
			if not first then
				chunk = chunk or ''
			end
			chunk = filters[at](chunk)
			if first then
				if chunk == '' or done == n then
					return chunk
				elseif chunk then
					at = at + 1
				else
					done = done + 1
					at = done
				end
			elseif chunk == '' then
				at = at - 1
				chunk = more
			elseif not chunk then
				error'filter returned inappropriate nil'
			elseif at == n then
				return chunk
			else
				at = at + 1
			end
		end
	end
end

-- Sources -------------------------------------------------------------------------------------------------

local function nothing()
	return nil
end

function source.empty()
	return nothing
end

function source.error(err)
	return function()
		return nil, err
	end
end

-- file(handle, [err]) -> source: reads a file, and closes it at the end; without a handle the source fails
function source.file(handle, err)
	if not handle then
		return source.error(err or 'unable to open file')
	end
	return function()
		local chunk = handle:read(ltn12.BLOCKSIZE)
		if not chunk then
			handle:close()
		end
		return chunk
	end
end

-- simplify(src) -> source: from a source that may give, as second result, the source to go on with
function source.simplify(src)
	assert(src)
	return function()
		local chunk, next_one = src()
		src = next_one or src
		if not chunk then
			return nil, next_one
		end
		return chunk
	end
end

function source.string(s)
	if not s then
		return source.empty()
	end
	local i = 1
	return function()
		local chunk = sub(s, i, i + ltn12.BLOCKSIZE - 1)
		i = i + ltn12.BLOCKSIZE
		if chunk ~= '' then
			return chunk
		end
		return nil
	end
end

function source.table(t)
	assert(type(t) == 'table')
	local i = 0
	return function()
		i = i + 1
		return t[i]
	end
end

-- rewind(src) -> source: takes back chunks that are passed to it
function source.rewind(src)
	assert(src)
	local t = {}
	return function(chunk)
		if chunk then
			insert(t, chunk)
			return
		end
		chunk = remove(t)
		if not chunk then
			return src()
		end
		return chunk
	end
end

-- chain(src, f...) -> source: passes through filters. While `hungry` the filter needs input; otherwise it may
-- have more from the last input.
function source.chain(src, f, ...)
	local through = ... and filter.chain(f, ...) or f
	assert(src and through)
	local input, output = '', ''
	local hungry = true
	return function()
		if not output then
			error('source is empty!', 2)
		end
		while true do
			if hungry then
				local err
				input, err = src()
				if err then
					return nil, err
				end
			end
			output = through(input)
			if not output then
				if input then
					error'filter returned inappropriate nil'
				end
				return nil
			elseif output ~= '' then
				if hungry then
					hungry = false
					input = input and ''
				end
				return output
			elseif not hungry then
				if input ~= '' then
					error'filter returned ""'
				end
				hungry = true
			end
		end
	end
end

-- cat(src...) -> source: one source after the other
function source.cat(...)
	local sources = {...}
	local src = remove(sources, 1)
	return function()
		while src do
			local chunk, err = src()
			if chunk then
				return chunk
			elseif err then
				return nil, err
			end
			src = remove(sources, 1)
		end
	end
end

-- Sinks ---------------------------------------------------------------------------------------------------

-- table([t]) -> sink, t
function sink.table(t)
	t = t or {}
	return function(chunk)
		if chunk then
			t[#t + 1] = chunk
		end
		return 1
	end, t
end

-- simplify(snk) -> sink: from a sink that may give, as second result, the sink to go on with
function sink.simplify(snk)
	assert(snk)
	return function(chunk, err)
		local ok, next_one = snk(chunk, err)
		if not ok then
			return nil, next_one
		end
		snk = next_one or snk
		return 1
	end
end

-- file(handle, [err]) -> sink: writes to a file, and closes it at the end; without a handle the sink fails
function sink.file(handle, err)
	if not handle then
		return sink.error(err or 'unable to open file')
	end
	return function(chunk)
		if not chunk then
			handle:close()
			return 1
		end
		return handle:write(chunk)
	end
end

local function discard()
	return 1
end

function sink.null()
	return discard
end

function sink.error(err)
	return function()
		return nil, err
	end
end

-- chain(f..., snk) -> sink: passes through filters
function sink.chain(f, snk, ...)
	if ... then
		local filters = {f, snk, ...}
		snk = remove(filters)
		f = filter.chain(unpack(filters))
	end
	assert(f and snk)
	return function(chunk, err)
		if chunk == '' then
			return 1
		end
		local more = chunk and ''
		local result = f(chunk)
		while true do
			local ok, failure = snk(result, err)
			if not ok then
				return nil, failure
			elseif result == more then
				return 1
			end
			result = f(more)
		end
	end
end

-- Pumps ---------------------------------------------------------------------------------------------------

-- step(src, snk) -> 1 | nil, err: pumps one chunk
function pump.step(src, snk)
	local chunk, failure = src()
	local ok, err = snk(chunk, failure)
	if chunk and ok then
		return 1
	end
	return nil, failure or err
end

-- all(src, snk, [step]) -> 1 | nil, err
function pump.all(src, snk, step)
	assert(src and snk)
	step = step or pump.step
	while true do
		local ok, err = step(src, snk)
		if not ok then
			if err then
				return nil, err
			end
			return 1
		end
	end
end

_G.ltn12 = ltn12 -- like the original

return ltn12
