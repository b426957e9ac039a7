// `npm run build:ts`
import { compile } from './setup.mjs'

process.exitCode = compile()
