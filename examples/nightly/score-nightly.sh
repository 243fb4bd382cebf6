#!/usr/bin/env bash
# Scores one day's rows and loads the scores: score-nightly.sh [YYYY-MM-DD] [OPTION OF scorebridge batch]...
#
# Without a day it is yesterday. Started again it goes on where it was stopped. A day that is scored is loaded again,
# and scored again only if its input has changed since, or with --restart. The settings are in the environment, with
# {day} for the day:
#
#   NIGHTLY_MODEL     the model
#   NIGHTLY_INPUT     a file, folder or query, such as /data/features/dt={day}
#   NIGHTLY_OUTPUT    a folder, which gets the partition dt={day}, or a file, such as /data/scores/{day}.csv
#   NIGHTLY_OPTIONS   further options of scorebridge batch, such as --key id; blanks separate them
#   NIGHTLY_LOADER    the program that loads the scores, called with their path and the day; without it none does
#
# Exit codes: 0 scored and loaded, 1 too many rows without a score, 2 could not run, 3 scored but not loaded,
# 130 interrupted; README.md says what to do.
set -euo pipefail

say() { printf 'score-nightly: %s\n' "$*" >&2; }

refuse() {
  say "$*"
  exit 2
}

child='' stopped='' signalled=''

# A signal is for the program that runs: bash alone would let it run on, or end without it.
stop() {
  stopped=yes signalled=yes
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
}
trap stop HUP INT TERM

# Runs a program and returns its exit code, also where a signal came meanwhile.
run() {
  local code
  "$@" &
  child=$!
  [ -z "$stopped" ] || kill -TERM "$child" 2>/dev/null || true
  while :; do
    signalled='' code=0
    wait "$child" || code=$?
    [ -n "$signalled" ] || break
  done
  child=''
  return "$code"
}

case ${1-} in
  -h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

if [ $# -gt 0 ] && [[ $1 != -* ]]; then
  day=$1
  shift
else
  # At noon: there are days that have no midnight, and hours that are there twice.
  day=$(date -d '12:00 yesterday' +%F)
fi
if ! [[ $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || [ "$(date -u -d "$day" +%F 2>/dev/null)" != "$day" ]; then
  refuse "'$day' is no day: write it as 2026-11-22"
fi

for name in NIGHTLY_MODEL NIGHTLY_INPUT NIGHTLY_OUTPUT; do
  [ -n "${!name-}" ] || refuse "$name is not set: '$0 --help' lists the settings"
done
command -v scorebridge >/dev/null || refuse "scorebridge is not on the PATH: add the folder that it is in"
loader=${NIGHTLY_LOADER-}
[ -z "$loader" ] || command -v "$loader" >/dev/null || refuse "NIGHTLY_LOADER is no program that can be run: $loader"

read -ra options <<<"${NIGHTLY_OPTIONS-}"
options+=("$@")
restart=''
for option in ${options[@]+"${options[@]}"}; do
  if [ "$option" = --restart ]; then restart=yes; fi
done

input=${NIGHTLY_INPUT//\{day\}/$day}
output=${NIGHTLY_OUTPUT//\{day\}/$day}
output=${output%/}
case ${output,,} in
  *.parquet | *.csv | *.jsonl | *.arrow)
    [[ $NIGHTLY_OUTPUT == *'{day}'* ]] || refuse "NIGHTLY_OUTPUT is a file for all days: put {day} into its name"
    published=$output finished=$output
    ;;
  *) published=$output/dt=$day finished=$published/_SUCCESS ;;
esac
begun=$output.run/dt=$day
rejects=$output.dt=$day.rejects.csv

# Whether the day is scored, and nothing was put into its input since; what a query reads can't be seen.
scored() {
  [ -z "$restart" ] && [ -e "$finished" ] && ! [ -e "$begun" ] &&
    ! { [ -e "$input" ] && [ -n "$(find -L "$input" -cnewer "$finished" -print -quit)" ]; }
}

if scored; then
  say "$day is scored already, in $published; --restart scores it again"
else
  code=0
  # --overwrite: this script has decided that the day is to be scored. An old output stays until the new one is whole.
  run scorebridge batch "$NIGHTLY_MODEL" --input "$input" --output "$output" --partition "dt=$day" --overwrite \
    ${options[@]+"${options[@]}"} || code=$?
  case $code in
    0) ;;
    1)
      say "nothing of $day is published or loaded; what is finished is kept in $begun"
      [ ! -e "$rejects" ] || say "the rows without a score are listed in $rejects"
      ;;
    *) say "$day is not scored; the same command goes on behind what is finished" ;;
  esac
  [ -z "$stopped" ] || exit 130
  [ "$code" -eq 0 ] || exit "$code"
fi

[ -n "$loader" ] || exit 0
code=0
run "$loader" "$published" "$day" || code=$?
if [ -n "$stopped" ] || [ "$code" -ne 0 ]; then
  say "$published is not loaded ($loader ended with exit code $code); the same command only loads it"
  [ -z "$stopped" ] || exit 130
  exit 3
fi
say "$published is loaded"
