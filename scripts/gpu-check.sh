#!/usr/bin/env bash
# Proves and times the CUDA kernels on the GPU of this machine. Needs a C++ compiler, CMake and nvcc; no Node.
#
#   scripts/gpu-check.sh [--quick]      --quick leaves out compute-sanitizer and the timings
#
# In order: every wrapper of an instruction and every kernel's own test, compiled by nvcc from the sources that CI runs in
# the emulator; every op case against its reference in double; a GRPO step of a tiny model against the CPU, with the
# sampler's log-probs equal to the trainer's to the bit; the op cases under compute-sanitizer where it is installed; then
# the machine's ceilings and the kernel table, and torch's figures beside them where python3 has torch.
#
# Writes bench/results/gpu-<name>-<date>.jsonl and .txt. Exits 1 when a check failed.
set -euo pipefail
cd "$(dirname "$0")/.."

QUICK=${1:-}
command -v cmake >/dev/null || { echo "gpu-check: expected cmake on PATH but received nothing"; exit 1; }
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}" /usr/local/cuda; do
  [ -n "$home" ] && [ -d "$home/bin" ] && PATH="$PATH:$home/bin"
done
command -v nvcc >/dev/null || { echo "gpu-check: expected nvcc on PATH or CUDA_HOME but received nothing"; exit 1; }
command -v nvidia-smi >/dev/null || { echo "gpu-check: expected a GPU and nvidia-smi but received nothing"; exit 1; }

IFS=, read -r NAME CAPABILITY DRIVER < <(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader | head -1)
NUMBER=$(echo "$CAPABILITY" | tr -d ' .')
[ "$NUMBER" -ge 80 ] || { echo "gpu-check: expected compute capability 8.0 or later but received $CAPABILITY"; exit 1; }
ARCH="$NUMBER-real"
if [ "$NUMBER" -eq 90 ] || [ "$NUMBER" -eq 100 ]; then ARCH="${NUMBER}a-real"; fi

BUILD=build/gpu
GENERATOR=()
if command -v ninja >/dev/null; then GENERATOR=(-G Ninja); fi
cmake -S . -B "$BUILD" "${GENERATOR[@]}" -DCMAKE_BUILD_TYPE=Release -DRFT_CUDA=ON "-DRFT_CUDA_ARCHS=$ARCH" \
  -DRFT_BUILD_ADDON=OFF -DRFT_BUILD_TESTS=OFF -DRFT_GPU_CHECK=ON >"$BUILD.log" 2>&1 || { cat "$BUILD.log"; exit 1; }
cmake --build "$BUILD" --parallel "$(getconf _NPROCESSORS_ONLN)" >>"$BUILD.log" 2>&1 || { tail -40 "$BUILD.log"; exit 1; }

mkdir -p bench/results
STEM="bench/results/gpu-$(echo "$NAME" | tr 'A-Z ' 'a-z-')-$(date -u +%Y%m%d)"
JSON="$STEM.jsonl" TEXT="$STEM.txt"
COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
printf '{"gpu":"%s","driver":"%s","commit":"%s","date":"%s"}\n' \
  "$NAME" "$(echo "$DRIVER" | tr -d ' ')" "$COMMIT" "$(date -u +%FT%TZ)" >"$JSON"
echo "$NAME, driver$DRIVER, commit $COMMIT" >"$TEXT"

FAILED=0
run_test() { # name, command...
  local name=$1 log passed failed status=0
  shift
  log="$BUILD/$name.log"
  timeout 300 "$@" >"$log" 2>&1 || status=$?
  passed=$(grep -c '^ok ' "$log" || true)
  failed=$(grep -c '^FAIL ' "$log" || true)
  if [ "$status" -ne 0 ] || [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then
    FAILED=1
    { grep '^FAIL ' "$log" || tail -5 "$log"; } | head -20
  fi
  printf '{"test":"%s","passed":%s,"failed":%s,"exit":%s}\n' "$name" "$passed" "$failed" "$status" >>"$JSON"
  printf '%-28s %5s passed %3s failed, exit %s\n' "$name" "$passed" "$failed" "$status" | tee -a "$TEXT"
}

for program in "$BUILD"/bin/gpu_*_test; do run_test "$(basename "$program")" "$program"; done
run_test gpu_ops_test_own_gemm env RFT_GEMM=own "$BUILD/bin/gpu_ops_test"
if [ "$NUMBER" -eq 90 ]; then
  run_test gpu_engine_test_sm90 env RFT_TIER=sm90 "$BUILD/bin/gpu_engine_test"
fi
if [ "$QUICK" != --quick ] && command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    run_test "sanitizer_$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$BUILD/bin/gpu_ops_test"
  done
fi

if [ "$QUICK" != --quick ]; then
  "$BUILD/bin/gpu_kernels_bench" | tee "$BUILD/bench.jsonl" >>"$JSON"
  if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    python3 bench/torch_kernels.py >>"$BUILD/bench.jsonl" 2>"$BUILD/torch.log" || tail -3 "$BUILD/torch.log"
    grep '"torch' "$BUILD/bench.jsonl" >>"$JSON" || true
  fi
  sed -n 's/.*"kernel":"\([^"]*\)","shape":"\([^"]*\)","dtype":"\([^"]*\)","ms":\([^,]*\),.*"tflops":\([^,]*\),"gbps":\([^,]*\),"ofFloor":\([^}]*\)}.*/\1|\2|\3|\4|\5|\6|\7/p' \
    "$BUILD/bench.jsonl" |
    awk -F'|' 'BEGIN { printf "\n%-30s %-34s %-5s %10s %9s %9s %9s\n", "kernel", "shape", "type", "ms", "TFLOP/s", "GB/s", "of floor" }
               { printf "%-30s %-34s %-5s %10s %9s %9s %9s\n", $1, $2, $3, $4, $5, $6, $7 }' | tee -a "$TEXT"
fi
nvidia-smi --query-gpu=clocks.sm,power.draw,temperature.gpu --format=csv,noheader | sed 's/^/at the end: /' | tee -a "$TEXT"
echo "results: $JSON $TEXT"
exit "$FAILED"
