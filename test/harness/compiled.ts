/** The package as plain JavaScript in a temporary folder, for tests that need a process of their own (to kill it). */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const root = join(import.meta.dirname, '..', '..')

/** @returns the folder; `dist/cli/main.js` in it is the command line. The caller removes it. */
export function compilePackage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rft-package-'))
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  for (const name of ['node_modules', 'build', 'prebuilds'])
    if (existsSync(join(root, name))) symlinkSync(join(root, name), join(folder, name), 'junction')
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { compilerOptions } = config as { compilerOptions: object }
  const { options } = ts.convertCompilerOptionsFromJson(compilerOptions, root)
  for (const file of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (/\.(js|css|html)$/.test(file)) cpSync(join(root, 'src', file), join(folder, 'dist', file))
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(root, 'src', file), 'utf8')
    const target = join(folder, 'dist', file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(
      target,
      ts.transpileModule(text, { compilerOptions: { ...options, module: ts.ModuleKind.ESNext, sourceMap: false } })
        .outputText,
    )
  }
  return folder
}
