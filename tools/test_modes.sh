# To be sourced by tools/test with several $modes: runs tools/test once for each, and ends with the failures
# and the sum of all.

sums=() broken='' passed=0 failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
for mode in "${modes[@]}"; do
    echo "== tools/test $mode"
    started=$SECONDS log=$logs/$mode
    tools/test "$mode" ${quick:+--quick} ${whole:+--whole} ${pattern:+"$pattern"} | tee "$log" || true
    if tail -n 1 "$log" | grep -qE '^[0-9]+ passed, [0-9]+ failed$'; then
        read -r good _ bad _ < <(tail -n 1 "$log")
    else
        good=0 bad=1 broken+=" $mode"
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    sums+=("$(printf '%-12s %5d passed, %d failed, in %d s' "$mode" "$good" "$bad" $((SECONDS - started)))")
done
for mode in "${modes[@]}"; do
    awk -v mode="$mode" '
        / [0-9]+ passed, [0-9]+ FAILED$/ { shown = 1; print "== failed in tools/test " mode }
        / [0-9]+ passed$|^skipped: |^failed: / { shown = 0 }
        shown { print substr($0, 1, 300) }' "$logs/$mode"
    [[ $broken != *" $mode"* ]] || { echo "== tools/test $mode did not come to its end:"; tail "$logs/$mode"; }
done
echo '== all of them'
printf '%s\n' "${sums[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
exit
