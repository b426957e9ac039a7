'use strict'
// The `prepare` script: builds a clone (or a git dependency) after `npm install`. The published package ships prebuilt
// binaries and has no install script. A binary of this very version that loads is kept. Without a compiler this says
// what to do and ends with success, so that `npm install` works; loading the addon then repeats it.
//
//   RFT_SKIP_BUILD=1 npm install   builds nothing
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '../..')
const log = path.join(root, 'build', 'install.log')

// Why there is no usable binary, or '' when there is one. Asked in a child: a broken binary must not take npm down.
function missing() {
  const { version } = require('../../package.json')
  const code = `const found = require('node-gyp-build')(${JSON.stringify(root)}).info().version
    if (found !== ${JSON.stringify(version)}) throw new Error('the binary here is of version ' + found)`
  const { status, stderr } = spawnSync(process.execPath, ['-e', code], { cwd: root, encoding: 'utf8' })
  if (status === 0) return ''
  return /Error: (.*)/.exec(stderr)?.[1] ?? `loading the binary ended with status ${status}`
}

function build() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(__dirname, 'build.cjs'), '--addon-only'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  fs.mkdirSync(path.dirname(log), { recursive: true })
  fs.writeFileSync(log, stdout + stderr)
  if (status === 0) return 0
  console.error((stdout + stderr).split('\n').slice(-30).join('\n'))
  console.error(`rft: the native build failed; the whole log is ${log}`)
  return 1
}

function main() {
  if (process.env.RFT_SKIP_BUILD === '1') return 0
  const why = missing()
  if (!why) return 0
  if (spawnSync('cmake', ['--version'], { stdio: 'ignore' }).error) {
    console.error(`rft: ${why}, and cmake is not installed, so nothing was built.`)
    console.error('rft: install cmake >= 3.24 and a C++20 compiler, then run: npm run build:native')
    return 0
  }
  console.error(`rft: ${why}; building from source (log: ${log})`)
  return build()
}

process.exitCode = main()
