// `node scripts/clang_format.mjs [--write]`: checks (or formats) every C++ file.
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { root, runBin } from './setup.mjs'

const files = ['native', 'test/native', 'bench/native'].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(h|inl|cpp|cuh?)$/.test(name))
    .map((name) => path.join(folder, name)),
)
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror']
process.exitCode = runBin('clang-format', '--style=file', ...mode, ...files)
