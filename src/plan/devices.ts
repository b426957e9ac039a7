/** Memory of well-known GPUs that rft runs on: what nvidia-smi shows as the total. */

const MIB = 2 ** 20

/** Bytes. */
export const gpuMemory = {
  b200: 183_359 * MIB,
  h200: 143_771 * MIB,
  h100: 81_559 * MIB,
  'a100-80g': 81_920 * MIB,
  'a100-40g': 40_960 * MIB,
  'rtx6000-ada': 49_140 * MIB,
  a6000: 49_140 * MIB,
  l40s: 46_068 * MIB,
  l4: 23_034 * MIB,
  rtx5090: 32_607 * MIB,
  rtx4090: 24_564 * MIB,
  rtx3090: 24_576 * MIB,
} as const

export type GpuName = keyof typeof gpuMemory
