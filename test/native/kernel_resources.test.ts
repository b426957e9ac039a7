/** The gate for CUDA kernels where nvcc is installed: all compile for sm_80 and sm_90a, none spills. */
import { describe, expect, it } from 'vitest'
// @ts-expect-error: a plain script without declarations
import { findNvcc, kernelFiles, kernelResources, parseReport } from '../../scripts/kernel_resources.mjs'

interface Resources {
  arch: string
  name: string
  registers: number
  problem?: string
}

const nvcc: string | undefined = findNvcc()

describe('kernel resources', () => {
  it.skipIf(!nvcc)(
    'every kernel compiles for sm_80 and sm_90a without spills or a stack frame',
    async () => {
      const kernels: Resources[] = await kernelResources(nvcc)
      expect(kernels.length).toBeGreaterThanOrEqual(2 * kernelFiles().length)
      expect(new Set(kernels.map(({ arch }) => arch))).toEqual(new Set(['80', '90a']))
      expect(
        kernels.filter(({ problem }) => problem).map(({ name, arch, problem }) => `${name} sm_${arch}: ${problem}`),
      ).toEqual([])
    },
    600_000,
  )

  it('reads the report of ptxas', () => {
    const text = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z1kPf' for 'sm_80'
ptxas info    : Function properties for _Z1kPf
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 16 bytes cumulative stack size, 4096 bytes smem, 384 bytes cmem[0]
ptxas info    : Compiling entry function '_Z1gPf' for 'sm_80'
ptxas info    : Function properties for _Z1gPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 10 registers, used 0 barriers, 384 bytes cmem[0]`
    expect(parseReport(text)).toEqual([
      { name: '_Z1kPf', registers: 255, shared: 4096, stack: 16, spills: 20 },
      { name: '_Z1gPf', registers: 10, shared: 0, stack: 0, spills: 0 },
    ])
    expect(() => parseReport("Compiling entry function 'x': something else")).toThrow('unknown report')
  })
})
