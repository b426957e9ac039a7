/** `rft build`: builds the native addon of an installed package from source. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import type { Context } from './program.ts'

export function addBuild(program: Command, context: Context): void {
  program
    .command('build')
    .description('build the native addon from source (needs CMake 3.24 and a C++20 compiler; nvcc is optional)')
    .option('--debug-build', 'without optimisation, with debug information')
    .addHelpText('after', '\nExample:\n  npx rft build')
    .action(async (options: { debugBuild?: boolean }) => {
      const root = fileURLToPath(new URL('../../', import.meta.url))
      const config = options.debugBuild ? ['--config', 'Debug'] : []
      context.exitCode = await runScript(root, ['native/tools/build.cjs', ...config])
    })
}

function runScript(cwd: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'inherit' })
    child.on('error', reject)
    child.on('exit', (code) => resolve(code ?? 1))
  })
}
