-- Random numbers that are the same on every machine.

-- random(seed) -> f: f(n) returns a number from 1 to n.
return function(seed)
	return function(n)
		seed = (seed * 16807) % 2147483647
		return seed % n + 1
	end
end
