/**
 * The published tarball: packs the project with the addon that is built here, installs it in an empty folder where PATH
 * holds nothing but node, npm and sh, and runs it. Only `npm install` may use the network.
 */
import { execFileSync, execSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = path.join(import.meta.dirname, '../..')
const addon = path.join(root, 'build/Release/rft.node')
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
const MAX_TARBALL_BYTES = 12 * 1024 * 1024
const STEP_MS = 240_000

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'rft-pack-'))
const staging = path.join(work, 'staging')
const bare = path.join(work, 'bin')
const app = path.join(work, 'app')

const SOURCES = ['package.json', 'CMakeLists.txt', 'README.md', 'CHANGELOG.md', 'LICENSE', 'native', 'src', 'scripts']
const BUILD_FILES = ['tsconfig.json', 'tsconfig.build.json']

/** The environment of a user: no npm settings of the running script, and the given PATH. */
function environment(pathValue: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|node_options$|vitest)/i.test(name))
  return { ...Object.fromEntries(kept), PATH: pathValue }
}

/** Runs the prebuild script of package.json, except that the compiler's work is replaced by a copy of our addon. */
function makePrebuilds(): void {
  const standIn = path.join(work, 'copy-addon.cjs')
  fs.writeFileSync(
    standIn,
    `#!${process.execPath}
    require('node:fs').mkdirSync('build/Release', { recursive: true })
    require('node:fs').copyFileSync(${JSON.stringify(addon)}, 'build/Release/rft.node')`,
    { mode: 0o755 },
  )
  const command = manifest.scripts['build:prebuilds'].replace('./native/tools/build.cjs', standIn)
  const bin = path.join(root, 'node_modules/.bin')
  execSync(command, { cwd: staging, env: environment(`${bin}:${process.env.PATH}`), stdio: 'pipe' })
}

function makeTarball(): string {
  fs.mkdirSync(staging)
  for (const name of [...SOURCES, ...BUILD_FILES])
    fs.cpSync(path.join(root, name), path.join(staging, name), { recursive: true })
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(staging, 'node_modules'))
  makePrebuilds()
  const env = environment(process.env.PATH as string)
  const out = execFileSync('npm', ['pack', '--json', '--pack-destination', work], {
    cwd: staging,
    env,
    encoding: 'utf8',
  })
  const [{ filename }] = JSON.parse(out.slice(out.indexOf('[\n')))
  return path.join(work, filename)
}

/** A folder for PATH with links to node, npm and sh. */
function makeBarePath(): void {
  fs.mkdirSync(bare)
  const npm = execSync('command -v npm', { encoding: 'utf8' }).trim()
  fs.symlinkSync(process.execPath, path.join(bare, 'node'))
  fs.symlinkSync(fs.realpathSync(npm), path.join(bare, 'npm'))
  fs.symlinkSync('/bin/sh', path.join(bare, 'sh'))
}

const inApp = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: app, env: environment(bare), encoding: 'utf8', timeout: STEP_MS })

const rft = (...args: string[]) => inApp(path.join(app, 'node_modules/.bin/rft'), ...args)

describe('the tarball', () => {
  let tarball = ''
  let listing: string[] = []

  beforeAll(() => {
    tarball = makeTarball()
    listing = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    makeBarePath()
    fs.mkdirSync(app)
    fs.writeFileSync(path.join(app, 'package.json'), '{"name":"app","private":true,"type":"module"}')
    inApp('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball)
  }, STEP_MS)

  afterAll(() => fs.rmSync(work, { recursive: true, force: true }))

  it('holds the prebuilt addon, the compiled code and the native sources', () => {
    expect(listing).toEqual(
      expect.arrayContaining([
        `package/prebuilds/${process.platform}-${process.arch}/rft.glibc.node`,
        'package/dist/index.js',
        'package/dist/index.d.ts',
        'package/dist/kernels.js',
        'package/dist/cli/main.js',
        'package/dist/dashboard/page/index.html',
        'package/dist/experiments/leaky_verifier.mjs',
        'package/dist/experiments/step_judge.mjs',
        'package/native/tools/build.cjs',
        'package/CMakeLists.txt',
        'package/LICENSE',
      ]),
    )
  })

  it('holds no tests, no TypeScript sources, no build trees', () => {
    expect(
      listing.filter((name) => /^package\/(test|src|build|node_modules|scripts)\/|\.js\.map$|binding\.gyp/.test(name)),
    ).toEqual([])
  })

  it('is smaller than 12 MB', () => {
    expect(fs.statSync(tarball).size).toBeLessThan(MAX_TARBALL_BYTES)
  })

  it('installs without running a script of ours', () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(app, 'node_modules/rft/package.json'), 'utf8'))
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([])
    expect(fs.existsSync(path.join(app, 'node_modules/rft/build'))).toBe(false)
  })

  it('runs `rft doctor` without a compiler', () => {
    const report = rft('doctor')
    expect(report).toContain(manifest.version)
    expect(report).toMatch(/cuda/i)
  })

  it('runs `rft generate` with an image', () => {
    const models = path.join(root, 'test/fixtures/models')
    const prompt = ['--prompt', 'What is this?', '--image', path.join(models, 'media/scene.png')]
    const out = rft('generate', path.join(models, 'qwen2_5_vl'), ...prompt, '--max-new-tokens', '4', '--json')
    expect(JSON.parse(out).completions[0].tokens.length).toBeGreaterThan(0)
  })

  it('can be imported', () => {
    const code = `import * as rft from 'rft'; import * as kernels from 'rft/kernels'
      console.log(Object.keys(rft).length > 0 && Object.keys(kernels).length > 0)`
    expect(inApp('node', '--input-type=module', '-e', code).trim()).toBe('true')
  })

  it('configures a build from its own sources with plain cmake', () => {
    const installed = path.join(app, 'node_modules/rft')
    const args = ['-S', installed, '-B', path.join(work, 'cmake')]
    const out = execFileSync('cmake', args, { env: environment(process.env.PATH as string), encoding: 'utf8' })
    expect(out).toContain(`rft ${manifest.version}: Release, CUDA: `)
  })
})

describe('the addon', () => {
  it('shows exactly its two entry points', () => {
    const symbols = execFileSync('nm', ['-D', '--defined-only', addon], { encoding: 'utf8' })
    const names = symbols
      .trim()
      .split('\n')
      .map((line) => line.split(' ').at(-1))
    expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1'])
  })

  it('needs nothing but the C library', () => {
    const dynamic = execFileSync('readelf', ['-d', addon], { encoding: 'utf8' })
    const needed = [...dynamic.matchAll(/NEEDED.*\[(.+?)\]/g)].map(([, name]) => name)
    const allowed = /^(libc|libm|libpthread|libgcc_s|ld-linux[\w-]*)\.so/
    expect(needed.filter((name) => !allowed.test(name as string))).toEqual([])
  })
})
