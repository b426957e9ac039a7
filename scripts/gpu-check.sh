#!/usr/bin/env bash
# Proves and times the CUDA kernels on the GPU of this machine. Needs g++, CMake and nvcc; no Node.
#
#   scripts/gpu-check.sh [--quick] [--emulated]
#
#     --quick      leaves out compute-sanitizer and the timings
#     --emulated   the same on the emulated device, small: to see that all of this works where there is no GPU. Its times
#                  mean nothing, and its results stay in build/. With --quick a part of the tests, and the timings.
#
# In order, each a stage that is reported and does not stop the next:
#   build       for this GPU, and the emulated twins of the op tests
#   kernels     every instruction wrapper and every kernel's own test, by nvcc from the sources that CI runs emulated
#   emulator    the op cases on the emulated device, whose results are stored
#   ops         every op case against its reference in double, and against the emulator: the same bits where numbers are
#               only moved and added, else within the case's tolerance
#   engine      a GRPO step against the CPU; the sampler's log-probs are the trainer's to the bit; on each tier
#   sanitizer   memcheck and racecheck of the op cases, memcheck of the engine
#   timings     the machine's ceilings and every kernel's share of them, and torch's times where python3 has torch
#
# Writes bench/results/gpu-<name>-<date>.jsonl and .txt, to be committed. Exits 1 when a stage failed. PYTHON names
# another python3.
set -uo pipefail
cd "$(dirname "$0")/.."

QUICK=no EMULATED=no
for argument in "$@"; do
  case $argument in
    --quick) QUICK=yes ;;
    --emulated) EMULATED=yes ;;
    *) echo "gpu-check: expected --quick or --emulated but received $argument" >&2; exit 2 ;;
  esac
done
need() { command -v "$1" >/dev/null || { echo "gpu-check: expected $1 on PATH but received nothing. $2" >&2; exit 2; }; }
need cmake "Install CMake 3.24 or later"
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
  if [ -n "$home" ] && [ -d "$home/bin" ]; then PATH="$PATH:$home/bin"; fi
done

# ------------------------------------------------------------------------------------------------ which device, where to
if [ $EMULATED = yes ]; then
  NAME=emulator DRIVER=none NUMBER=90 BUILD=build/gpu-check RESULTS=build/gpu-check
else
  need nvcc "Install the CUDA toolkit, 12.4 or later, or set CUDA_HOME"
  need nvidia-smi "There is no GPU, or no driver; --emulated needs none"
  IFS=, read -r NAME CAPABILITY DRIVER < <(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader)
  NUMBER=${CAPABILITY//[ .]/} DRIVER=${DRIVER// /}
  if ! [ "${NUMBER:-0}" -ge 80 ] 2>/dev/null; then
    echo "gpu-check: expected a GPU of compute capability 8.0 or later but received '$NAME' '$CAPABILITY'" >&2
    exit 2
  fi
  ARCH=$NUMBER-real BUILD=build/gpu RESULTS=bench/results
  case $NUMBER in 90 | 100) ARCH=${NUMBER}a-real ;; esac
fi
mkdir -p "$BUILD" "$RESULTS"
STEM=$RESULTS/gpu-$(echo "$NAME" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')-$(date -u +%Y%m%d)
JSON=$STEM.jsonl TEXT=$STEM.txt ROWS=$BUILD/rows.jsonl
COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
printf '{"gpu":"%s","driver":"%s","commit":"%s","date":"%s"}\n' "$NAME" "$DRIVER" "$COMMIT" "$(date -u +%FT%TZ)" >"$JSON"
echo "$NAME, driver $DRIVER, commit $COMMIT" | tee "$TEXT"

# ------------------------------------------------------------------------------------------------------------- stages
FAILED=0
outcome() { # name, ok or failed or skipped, detail, seconds
  printf '{"stage":"%s","outcome":"%s","detail":"%s","seconds":%s}\n' "$1" "$2" "$3" "$4" >>"$JSON"
  printf '%-34s %-8s %5s s  %s\n' "$1" "$2" "$4" "$3" | tee -a "$TEXT"
  if [ "$2" = failed ]; then FAILED=1; fi
}
# Runs a command with its output in a log. `tests`: it prints a line a check, and at least one.
stage() { # tests or work, name, limit in seconds, command...
  local kind=$1 name=$2 limit=$3 log=$BUILD/$2.log begin=$SECONDS status=0 passed failed detail
  shift 3
  if [ $EMULATED = yes ]; then limit=$((5 * limit)); fi
  timeout "$limit" "$@" >"$log" 2>&1 || status=$?
  passed=$(grep -c '^ok ' "$log") failed=$(grep -c '^FAIL ' "$log")
  detail="exit $status"
  if [ "$kind" = tests ]; then detail="$passed passed, $failed failed, exit $status"; fi
  if [ "$status" -eq 124 ]; then detail="$detail, stopped after $limit s"; fi
  if [ "$status" -eq 0 ] && { [ "$kind" = work ] || { [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]; }; }; then
    outcome "$name" ok "$detail" $((SECONDS - begin))
  else
    outcome "$name" failed "$detail" $((SECONDS - begin))
    { grep '^FAIL ' "$log" || grep -i 'error' "$log" || tail -5 "$log"; } | head -12 | cut -c1-300 | tee -a "$TEXT"
    return 1
  fi
}

build() {
  local generator=() again=(-k)
  if command -v ninja >/dev/null; then generator=(-G Ninja) again=(-k 0); fi
  local target=gpu_check folder=$BUILD options=(-DRFT_BUILD_ADDON=OFF -DRFT_BUILD_TESTS=ON)
  if [ $EMULATED = no ]; then options+=(-DRFT_CUDA=ON "-DRFT_CUDA_ARCHS=$ARCH" -DRFT_GPU_CHECK=ON); fi
  if [ $EMULATED = yes ]; then target=emulated_check; fi
  if [ $EMULATED = yes ] && [ -f build/cmake/CMakeCache.txt ]; then  # a clone has built them already
    cmake --build build/cmake --parallel "$(getconf _NPROCESSORS_ONLN)" --target $target
    return
  fi
  cmake -S . -B "$folder" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "${options[@]}" &&
    cmake --build "$folder" --parallel "$(getconf _NPROCESSORS_ONLN)" --target $target -- "${again[@]}"
}
export -f build
export EMULATED BUILD ARCH
stage work build 1200 bash -c build

# Programs by the names of their sources: of kernels alone, and of ops, engine and timings on the device.
if [ $EMULATED = yes ]; then
  kernels() { ls build/Release/simt_*_test_fast 2>/dev/null | grep -v verdicts; }
  program() { echo "build/Release/cuda_$1"; }
else
  kernels() { for source in test/native/simt/*_test.cpp; do ls "$BUILD/bin/gpu_$(basename "$source" .cpp)"; done 2>/dev/null; }
  program() { echo "$BUILD/bin/gpu_$1"; }
fi

for path in $(kernels); do
  case $EMULATED$QUICK$path in yesyes*tensor_core* | yesyes*elementwise* | yesno* | no*) ;; *) continue ;; esac
  stage tests "kernels_$(basename "$path" | sed 's/^[a-z]*_//; s/_test.*//')" 120 "$path"
done
for test in ops attention; do
  if [ $EMULATED$QUICK$test = yesyesattention ]; then continue; fi
  stage tests "emulator_$test" 120 "build/Release/cuda_${test}_test" --store "$BUILD/$test.stored"
  stage tests "$test" 120 "$(program ${test}_test)" --against "$BUILD/$test.stored"
done
for source in test/native/cuda/*_test.cpp; do
  test=$(basename "$source" _test.cpp)
  case $EMULATED$QUICK$test in yesyes* | *ops | *attention | *engine) continue ;; esac
  stage tests "$test" 120 "$(program "${test}_test")"
done
stage tests engine 120 "$(program engine_test)"
if [ $EMULATED = no ]; then stage tests engine_own_gemm 120 env RFT_GEMM=own "$(program engine_test)"; fi
if [ "$NUMBER" -eq 90 ] && [ $EMULATED$QUICK != yesyes ]; then stage tests engine_sm90 120 env RFT_TIER=sm90 "$(program engine_test)"; fi

sanitize() { # tool, test
  if [ $EMULATED = yes ]; then outcome "$1_$2" skipped "the emulator sees every access itself" 0
  elif ! command -v compute-sanitizer >/dev/null; then outcome "$1_$2" skipped "no compute-sanitizer on PATH" 0
  else stage tests "$1_$2" 150 compute-sanitizer --tool "$1" --error-exitcode 9 "$(program "$2_test")"; fi
}
if [ $QUICK = no ]; then
  sanitize memcheck ops
  sanitize memcheck attention
  sanitize racecheck ops
  sanitize racecheck attention
  sanitize memcheck engine
fi

# ------------------------------------------------------------------------------------------------------------ timings
torch() {
  local python=${PYTHON:-python3} device=cuda log=$BUILD/torch.log begin=$SECONDS status=0
  if [ $EMULATED = yes ]; then device=cpu; fi
  command -v "$python" >/dev/null || { outcome torch skipped "no $python on PATH" 0; return; }
  timeout 150 "$python" bench/peers/cuda_kernels.py "$ROWS" --device $device >"$BUILD/torch.jsonl" 2>"$log" || status=$?
  cat "$BUILD/torch.jsonl" >>"$JSON"
  case $status in
    0) outcome torch ok "$(grep -c . "$BUILD/torch.jsonl") times" $((SECONDS - begin)) ;;
    3) outcome torch skipped "no torch for $device" $((SECONDS - begin)) ;;
    *) outcome torch failed "exit $status, see $log" $((SECONDS - begin)) ;;
  esac
}
# Our rows, each with torch's fastest beside it; a factor above 1 says how many times faster ours is.
table() {
  awk -v torch="$BUILD/torch.jsonl" '
    function field(line, key,   at, rest) {
      at = index(line, "\"" key "\":")
      if (at == 0) return ""
      rest = substr(line, at + length(key) + 3)
      if (substr(rest, 1, 1) == "\"") { rest = substr(rest, 2); return substr(rest, 1, index(rest, "\"") - 1) }
      sub(/[,}].*/, "", rest)
      return rest
    }
    BEGIN {
      while ((getline line < torch) > 0) {
        key = field(line, "kernel") "|" field(line, "shape")
        if (!(key in best) || field(line, "ms") + 0 < best[key]) { best[key] = field(line, "ms") + 0; name[key] = field(line, "torch") }
      }
      form = "%-28s %-42s %-4s %10s %8s %8s %8s  %-20s %10s %7s\n"
      printf "\n" form, "kernel", "shape", "type", "ms", "TFLOP/s", "GB/s", "of floor", "torch", "ms", "factor"
    }
    field($0, "kernel") != "" {
      key = field($0, "kernel") "|" field($0, "shape"); ms = field($0, "ms"); other = factor = ""
      if (key in best) { other = best[key]; if (ms + 0 != 0) factor = sprintf("%.2f", other / ms) }
      printf form, field($0, "kernel"), field($0, "shape"), field($0, "dtype"), ms, field($0, "tflops"), field($0, "gbps"),
        field($0, "ofFloor"), name[key], other, factor
    }' "$ROWS"
}
if [ $QUICK = no ] || [ $EMULATED = yes ]; then
  rm -f "$BUILD/torch.jsonl"
  small=(); if [ $EMULATED = yes ]; then small=(--small); fi
  stage work timings 200 "$(program kernels_bench)" "${small[@]}"
  grep '^{' "$BUILD/timings.log" >"$ROWS"
  cat "$ROWS" >>"$JSON"
  torch
  table | tee -a "$TEXT"
fi
if [ $EMULATED = no ]; then
  nvidia-smi --query-gpu=clocks.sm,power.draw,temperature.gpu --format=csv,noheader | sed 's/^/at the end: /' | tee -a "$TEXT"
fi
echo "in all $SECONDS s; $([ $FAILED -eq 0 ] && echo 'every stage passed' || echo 'a stage failed')" | tee -a "$TEXT"
echo "results: $JSON $TEXT"
exit $FAILED
