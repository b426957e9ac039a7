// What every entry script needs first: dependencies, the native addon, the compiled TypeScript. Each part is skipped
// when it is up to date. Plain JavaScript without dependencies, since it runs before there is a node_modules.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const shell = process.platform === 'win32'

/** Runs a command in the project's folder with its output shown; returns its exit code. */
export function run(command, args, env = {}) {
  const options = { cwd: root, stdio: 'inherit', shell, env: { ...process.env, ...env } }
  const { status, error } = spawnSync(command, args, options)
  if (error) console.error(`${command}: ${error.code === 'ENOENT' ? 'not installed' : error.message}`)
  return status ?? 1
}

/** Runs the program of an installed package. */
export const runBin = (name, ...args) => run(path.join(root, 'node_modules', '.bin', name), args)

/** Prints a headline, runs the action and says how long it took; true = it succeeded. */
export function step(title, action) {
  console.log(`\n==> ${title}`)
  const begin = performance.now()
  const ok = action() === 0
  console.log(`    ${title}: ${ok ? 'done' : 'FAILED'} in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  return ok
}

function newest(folder, pattern) {
  const names = readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
  return Math.max(0, ...names.filter((name) => pattern.test(name)).map((name) => modified(path.join(folder, name))))
}

function modified(file) {
  const where = path.join(root, file)
  return existsSync(where) ? statSync(where).mtimeMs : 0
}

const NATIVE_SOURCE = /\.(h|inl|cpp|cuh?|map)$/

const installed = () => modified('node_modules/.package-lock.json') >= modified('package-lock.json')

const addonBuilt = () =>
  modified('build/Release/rft.node') >=
  Math.max(newest('native', NATIVE_SOURCE), modified('CMakeLists.txt'), modified('package.json'))

const typescriptBuilt = () =>
  modified('dist/cli/main.js') >= Math.max(newest('src', /\.(ts|m?js|css|html)$/), modified('tsconfig.json'))

const install = () => run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], { RFT_SKIP_BUILD: '1' })

const buildNative = (...args) => run(process.execPath, ['native/tools/build.cjs', ...args])

/** Files beside the TypeScript that are used as they stand. */
const assets = ['dashboard/page', 'experiments/leaky_verifier.mjs', 'experiments/step_judge.mjs']

/** TypeScript and assets. */
export function compile() {
  const code = runBin('tsc', '-p', 'tsconfig.build.json')
  for (const asset of assets) cpSync(path.join(root, 'src', asset), path.join(root, 'dist', asset), { recursive: true })
  return code
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return true
  console.error(`rft: expected Node 20.19 or later but received ${process.versions.node}`)
  return false
}

/**
 * Brings everything up to date; false after the first failure.
 * @param tests also build the C++ tests
 */
export function setup({ tests }) {
  if (!checkNode()) return false
  if (!installed() && !step('install dependencies', install)) return false
  if (tests && !step('build the native addon and its tests', buildNative)) return false
  if (!addonBuilt() && !step('build the native addon', () => buildNative('--addon-only'))) return false
  return typescriptBuilt() || step('compile TypeScript', compile)
}
