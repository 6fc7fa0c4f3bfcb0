# To be sourced by tools/test with several $modes: runs it once for each, and ends with the sum of all.

sums=() passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for mode in "${modes[@]}"; do
    echo "== tools/test $mode"
    started=$SECONDS
    tools/test "$mode" ${quick:+--quick} ${whole:+--whole} ${pattern:+"$pattern"} | tee "$log" || true
    read -r good _ bad _ < <(tail -n 1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || echo '0 passed, 1 failed')
    passed=$((passed + good)) failed=$((failed + bad))
    sums+=("$(printf '%-12s %5d passed, %d failed, in %d s' "$mode" "$good" "$bad" $((SECONDS - started)))")
done
echo '== all of them'
printf '%s\n' "${sums[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
exit
