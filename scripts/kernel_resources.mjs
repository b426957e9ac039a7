// What nvcc makes of every CUDA kernel for sm_80 and sm_90a: registers, shared memory, spills, stack. A kernel that
// spills or needs a stack frame fails, and so does one whose wgmma or setmaxnreg the compiler gave up on.
//
//   node scripts/kernel_resources.mjs [file.cu ...]     default: all of native
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const ARCHS = ['80', '90a']
/** setmaxnreg ignored; wgmma serialised. */
const GIVEN_UP = /C75\d\d/

/** The path of nvcc, or undefined. */
export function findNvcc() {
  const homes = [process.env.CUDA_HOME, process.env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean)
  const candidates = [process.env.CUDACXX, 'nvcc', ...homes.map((home) => path.join(home, 'bin', 'nvcc'))]
  return candidates.filter(Boolean).find((name) => spawnSync(name, ['--version']).status === 0)
}

export function kernelFiles() {
  const names = readdirSync(path.join(root, 'native'), { recursive: true, encoding: 'utf8' })
  return names
    .filter((name) => name.endsWith('.cu'))
    .map((name) => path.join('native', name))
    .sort()
}

function compile(nvcc, file, arch) {
  const target = ['-cubin', `-gencode=arch=compute_${arch},code=sm_${arch}`, '-o', os.devNull]
  const flags = ['-std=c++20', '-O3', '--expt-relaxed-constexpr', '-Xptxas', '-v', '-I', 'native']
  return new Promise((resolve) => {
    const child = spawn(nvcc, [...flags, ...target, file], { cwd: root })
    let text = ''
    child.stdout.on('data', (data) => (text += data))
    child.stderr.on('data', (data) => (text += data))
    child.on('error', (error) => resolve({ file, arch, status: 1, text: error.message }))
    child.on('close', (status) => resolve({ file, arch, status, text }))
  })
}

/** The kernels in ptxas' report: `Compiling entry function 'name'`, then its properties. */
export function parseReport(text) {
  const kernels = []
  for (const block of text.split('Compiling entry function ').slice(1)) {
    const name = /^'([^']+)'/.exec(block)?.[1]
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(block)
    const registers = /Used (\d+) registers/.exec(block)
    if (!name || !frame || !registers)
      throw new Error(`kernel_resources: unknown report of ptxas: ${block.slice(0, 400)}`)
    const [stack, stores, loads] = frame.slice(1).map(Number)
    kernels.push({
      name,
      registers: Number(registers[1]),
      shared: Number(/(\d+) bytes smem/.exec(block)?.[1] ?? 0),
      stack,
      spills: stores + loads,
    })
  }
  return kernels
}

function readable(names) {
  const filter = spawnSync('c++filt', { input: names.join('\n'), encoding: 'utf8' })
  const lines = filter.status === 0 ? filter.stdout.trimEnd().split('\n') : names
  return lines.map((line) =>
    line
      .replace(/^void /, '')
      .replaceAll('(anonymous namespace)::', '')
      .replaceAll('rft::cuda::', '')
      .replace(/\(.*$/, ''),
  )
}

/** Compiles the files, two at a time. One entry a kernel and architecture; `problem` says why it fails. */
export async function kernelResources(nvcc, files = kernelFiles()) {
  const jobs = files.flatMap((file) => ARCHS.map((arch) => ({ file, arch })))
  const reports = []
  const worker = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) reports.push(await compile(nvcc, job.file, job.arch))
  }
  await Promise.all([worker(), worker()])
  return reports.flatMap(({ file, arch, status, text }) => {
    if (status !== 0) return [{ file, arch, name: '-', problem: text }]
    const kernels = parseReport(text)
    const names = readable(kernels.map(({ name }) => name))
    return kernels.map((kernel, i) => {
      const spilled = kernel.spills > 0 || kernel.stack > 0
      const problem = spilled ? `${kernel.spills} bytes spilled, stack frame of ${kernel.stack} bytes` : undefined
      return { file, arch, ...kernel, name: names[i], problem: GIVEN_UP.test(text) ? text : problem }
    })
  })
}

async function main() {
  const nvcc = findNvcc()
  if (!nvcc) {
    console.error('kernel_resources: expected nvcc on PATH or CUDA_HOME but received nothing')
    return 1
  }
  const files = process.argv.slice(2).map((file) => path.resolve(file))
  const missing = files.find((file) => !existsSync(file))
  if (missing) throw new Error(`kernel_resources: expected a file but received ${missing}`)
  const kernels = await kernelResources(nvcc, files.length > 0 ? files : undefined)
  for (const k of kernels.sort((a, b) => `${a.name}${a.arch}`.localeCompare(`${b.name}${b.arch}`))) {
    const shape = `sm_${k.arch.padEnd(4)}${String(k.registers).padStart(4)} registers${String(k.shared).padStart(7)} B shared`
    console.log(`${shape}  ${k.name}${k.problem ? `  FAILED: ${k.problem}` : ''}`)
  }
  const failed = kernels.filter(({ problem }) => problem).length
  console.log(`${kernels.length} kernels, ${failed} failed`)
  return failed > 0 || kernels.length === 0 ? 1 : 0
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) process.exitCode = await main()
