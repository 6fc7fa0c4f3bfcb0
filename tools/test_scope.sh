# To be sourced by tools/test: which test files a mode runs.

# Tests that can come out differently on another system, or by a race.
different='^spec/(core|capi|regress)/|^spec/compat/(socket|select)(_[a-z]+)?_spec|^spec/install/windows_spec'
different+='|^spec/lua/(channel|connect|control|deadline|epoll|fd|iocp|limits|lookup|option|os_thread|raw|sched'
different+='|serve|shared|signal|stream|sync|tcp|timer|torture|udp|waitable)(_[a-z]+)?_spec'

# wanted FILE: whether the mode runs it. If not, it may print the reason, for the list of skipped tests.
wanted() {
    case $1 in
        *$pattern*) ;;
        *) return 1 ;;
    esac
    if [ ! "$whole" ] && { [ "$kqueue$windows$arm64" ] || [ "$sanitize" = thread ]; }; then
        [[ $1 =~ $different ]] || return 1
    fi
    local name=${1%.*}
    case $1 in
        *_test.*) [ -e "$build/$name$extension" ] || return 1 ;; # built for another system
        spec/install/windows_spec.lua) [ "$windows" ] || return 1 ;;
        spec/install/*) [ $build = build ] || { echo "$build is not for others"; return 1; } ;;
        spec/bindings/echo_spec.lua) [ ! "$arm64" ] || { echo "other languages are the machine's own"; return 1; } ;;
        spec/bindings/garbage_spec.lua) [ ${#program[@]} -eq 0 ] || { echo "Python is the machine's own"; return 1; } ;;
    esac
}
