#!/usr/bin/env node
'use strict'
// Builds the addon into build/<Config>/rft.node from CMakeLists.txt. `npm run build:native`, the `prepare` script,
// `npx rft build`, binding.gyp and prebuildify (--node-gyp) all run this file; plain JavaScript, because it runs
// before TypeScript is compiled and in installed packages. A clone uses cmake-js (it knows Windows' node.lib); an
// installed package has no devDependencies and uses cmake itself.
//
//   node native/tools/build.cjs [--config Release|Debug] [--addon-only]
//
// --addon-only leaves out the C++ tests.
const { spawnSync } = require('node:child_process')
const os = require('node:os')
const path = require('node:path')

const root = path.join(__dirname, '../..')
const out = path.join(root, 'build', 'cmake')
const args = process.argv.slice(2)
const config = args.includes('--config') ? args[args.indexOf('--config') + 1] : 'Release'
const target = args.includes('--addon-only') ? ['--target', 'rft'] : []
const jobs = String(os.availableParallelism())

function run(command, ...commandArgs) {
  const { status, error } = spawnSync(command, commandArgs, { stdio: 'inherit', cwd: root, windowsHide: true })
  if (error?.code === 'ENOENT')
    console.error(`rft build: ${command} is not installed. Install cmake >= 3.24 and a C++20 compiler.`)
  else if (error) console.error(`rft build: ${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

function cmakeJs() {
  try {
    return require.resolve('cmake-js/bin/cmake-js')
  } catch {
    return undefined
  }
}

const driver = cmakeJs()
if (driver) {
  const where = ['--directory', root, '--out', out]
  run(process.execPath, driver, 'compile', '--config', config, ...where, '--parallel', jobs, ...target)
} else {
  const ninja = spawnSync('ninja', ['--version'], { stdio: 'ignore' }).status === 0
  run('cmake', '-S', root, '-B', out, `-DCMAKE_BUILD_TYPE=${config}`, ...(ninja ? ['-G', 'Ninja'] : []))
  run('cmake', '--build', out, '--config', config, '--parallel', jobs, ...target)
}
