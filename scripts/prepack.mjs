// `prepack`: a tarball holds freshly compiled TypeScript and nothing that its sources no longer have.
import { rmSync } from 'node:fs'
import path from 'node:path'
import { compile, root } from './setup.mjs'

rmSync(path.join(root, 'dist'), { recursive: true, force: true })
process.exitCode = compile()
