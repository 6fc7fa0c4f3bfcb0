# shellcheck shell=bash
# Functions for the benchmark drivers. A driver sources this from the root of the repository, and uses the
# variables that it sets.
# shellcheck disable=SC2034

build=${BUILD:-build/bench}
pids=()
tmp=$(mktemp -d)

cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || die "$tool is needed"
	done
}

build() {
	local name
	mkdir -p "$build"
	for name; do
		"${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -o "$build/$name" "bench/$name.c"
	done
}

# stop PID: ends a process that this driver started, and waits for it.
stop() {
	local pid kept=()
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	for pid in "${pids[@]}"; do
		[[ $pid == "$1" ]] || kept+=("$pid")
	done
	pids=("${kept[@]}")
}

# start_server COMMAND...: starts the command on CPU 0 and waits for its line "port N". Sets server_pid, port
# and server_fd (its stdout). The command has to become the server by exec, so that the pid is the server's.
start_server() {
	local word
	exec {server_fd}< <(exec taskset -c 0 "$@" </dev/null)
	server_pid=$!
	pids+=("$server_pid")
	read -r -t 20 word port <&"$server_fd" || die "no port from: $*"
	[[ $word == port ]] || die "no port from: $*"
}

stop_server() {
	stop "$server_pid"
	exec {server_fd}<&-
}

# cpu_ns PID: sets ns to the CPU time of all threads of the process.
cpu_ns() {
	local file thread _
	ns=0
	for file in "/proc/$1/task/"*/schedstat; do
		read -r thread _ <"$file"
		ns=$((ns + thread))
	done
}
